import { createSecureContext } from 'node:tls';
import { Agent, request } from 'undici';
import { unusableCertificates } from '../../config/load.ts';
import type { HookOptions } from '../../config/options.ts';
import { BffError, reasonOf } from '../../errors.ts';
import { readAtMost } from '../provider/fetch.ts';
import { readProviderTls } from '../provider/tls.ts';
import {
  checkHookClaims,
  hookUnavailable,
  longestHookResponse,
  type SignInHook,
  type SignInUser,
} from './sign-in-hook.ts';

/**
 * Creates the hook that sends each user to `login.hook.url` by `POST`. The response `200` with
 * `claims` changes the claims, `403` refuses the user. Any other response, or one that is not
 * complete within the timeout, is `hook_unavailable`. Throws `ConfigurationError` for certificates
 * that cannot be used.
 */
export function createHttpHook(options: HookOptions): SignInHook {
  const dispatcher = openConnections(options);
  const { url, token, timeout } = options;
  return async ({ event, provider, sub, claims }: SignInUser) => {
    const signal = AbortSignal.timeout(timeout);
    const response = await request(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json',
      },
      body: JSON.stringify({ event, provider, sub, claims }),
      signal,
      dispatcher,
    });
    const { statusCode: status, body } = response;
    if (status !== 200) {
      // The decision does not wait for a body that no code reads.
      void body.dump({ limit: longestHookResponse, signal }).catch(() => undefined);
      if (status !== 403) throw hookUnavailable(`status ${status}`);
      throw new BffError('not_allowed', { cause: new Error('the hook refused the user') });
    }
    return readClaims(await readAtMost(body, longestHookResponse));
  };
}

/** Does not require a content type: the status and the JSON are the decision. */
function readClaims(text: string) {
  const json = parse(text) as { readonly claims?: unknown } | null;
  return checkHookClaims(json?.claims);
}

/** Parses JSON. Drops the parser's message, which quotes the text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw hookUnavailable('it is not JSON');
  }
}

function openConnections(options: HookOptions): Agent {
  try {
    const tls = readProviderTls(options) ?? {};
    createSecureContext(tls);
    return new Agent({ connect: { ...tls } });
  } catch (error) {
    throw unusableCertificates(['login', 'hook'], reasonOf(error));
  }
}
