import { type Configuration, fetchProtectedResource } from 'openid-client';
import type { ProviderOptions } from '../../config/options.ts';
import { presetOf } from '../../config/presets/presets.ts';
import { fillIn } from '../../config/values/user-fields.ts';
import { BffError } from '../../errors.ts';
import { checkSubject, type Claims, withinLimits } from '../login/claims.ts';
import { Outage } from '../errors.ts';
import type { ResponseReader } from '../provider/fetch.ts';
import type { TokenSet } from '../tokens/token-set.ts';

/** The user as an OAuth 2 provider without OpenID Connect describes them. */
export interface NonOidcUser {
  readonly sub: string;
  readonly claims: Claims;
}

/**
 * Reads the user endpoint of an OAuth 2 provider without OpenID Connect and maps its fields to
 * claims by the `user` option. Other fields are dropped. Throws `login_failed` if the endpoint
 * refuses the request or returns no subject.
 */
export async function readNonOidcUser(
  configuration: Configuration,
  options: ProviderOptions,
  tokens: TokenSet,
): Promise<NonOidcUser> {
  const { userinfoEndpoint = '', user = {} } = options;
  const response = await fetchJson(configuration, userinfoEndpoint, tokens);
  if (response.status !== 200) throw refused(`status ${response.status} at the user endpoint`);
  const fields = await response.json();
  const claims: Record<string, unknown> = {};
  for (const [claim, sources] of Object.entries(user)) {
    const value = firstOf(sources, fields);
    if (value !== undefined) claims[claim] = value;
  }
  const sub = subjectOf(claims['sub']);
  const addresses = await readEmail(configuration, options, tokens);
  return { sub, claims: withinLimits(consistent({ ...claims, ...addresses, sub })) };
}

/**
 * Treats `403` and `404` from the e-mail endpoint as "no e-mail", whatever their body and challenge
 * (RFC 6750 §3): the user signs in without an address. All other responses go to `read`.
 */
export function emailResponses(options: ProviderOptions, read: ResponseReader): ResponseReader {
  const endpoint = emailEndpoint(options);
  return (url, response) => {
    if (url !== endpoint || (response.status !== 403 && response.status !== 404))
      return read(url, response);
    const headers = new Headers(response.headers);
    headers.delete('www-authenticate');
    return { ...response, headers, body: '{}' };
  };
}

async function fetchJson(
  configuration: Configuration,
  address: string,
  { accessToken }: TokenSet,
): Promise<Response> {
  const headers = new Headers({ accept: 'application/json' });
  const url = new URL(address);
  const args = [accessToken, url, 'GET', undefined, headers] as const;
  const response = await fetchProtectedResource(configuration, ...args);
  // GitHub reports a rate limit with status 403.
  if (response.status === 403 && response.headers.get('x-ratelimit-remaining') === '0') {
    throw new Outage(`GET ${address} responded with 403: too many requests`, {
      response,
    }).toBffError();
  }
  return response;
}

function firstOf(sources: readonly string[], fields: unknown): unknown {
  for (const source of sources) {
    const value = fillIn(source, (path) => fieldAt(fields, path));
    if (value !== undefined && value !== null && value !== '') return value;
  }
  return undefined;
}

function fieldAt(fields: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((node, name) => {
    const isNode = typeof node === 'object' && node !== null && Object.hasOwn(node, name);
    return isNode ? (node as Record<string, unknown>)[name] : undefined;
  }, fields);
}

/** Accepts numeric user ids. An unsafe integer is refused: rounding could name another user. */
function subjectOf(value: unknown): string {
  const isNumber = typeof value === 'number' && Number.isSafeInteger(value);
  if (!isNumber && typeof value !== 'string') throw refused('a user without a usable sub');
  const sub = String(value);
  checkSubject(sub);
  return sub;
}

/** Reads the primary address from a separate e-mail endpoint, verified or not. */
async function readEmail(
  configuration: Configuration,
  options: ProviderOptions,
  tokens: TokenSet,
): Promise<Claims> {
  const emails = presetOf(options)?.emails;
  const endpoint = emailEndpoint(options);
  const granted = tokens.scope?.split(' ') ?? options.scopes;
  if (!endpoint || !emails?.scopes.some((scope) => granted.includes(scope))) return {};
  const response = await fetchJson(configuration, endpoint, tokens);
  // An app without the e-mail permission can still sign users in.
  if (response.status === 403 || response.status === 404) return {};
  if (response.status !== 200) throw refused(`status ${response.status} at the e-mail endpoint`);
  const listed: unknown = await response.json();
  const main = Array.isArray(listed)
    ? listed.find((entry) => fieldAt(entry, 'primary'))
    : undefined;
  const email = fieldAt(main, 'email');
  if (typeof email !== 'string') return {};
  return { email, email_verified: fieldAt(main, 'verified') === true };
}

/** The endpoint for e-mail addresses, if it is separate from the user endpoint. */
function emailEndpoint(options: ProviderOptions): string | undefined {
  const emails = presetOf(options)?.emails;
  return emails && new URL(`${options.userinfoEndpoint}/${emails.path}`).href;
}

/** Drops a verification flag without the value that it belongs to. */
function consistent(claims: Claims): Claims {
  const { email_verified: _flag, ...rest } = claims;
  return claims['email'] === undefined ? rest : claims;
}

function refused(what: string): BffError {
  return new BffError('login_failed', { cause: new Error(`the provider sent ${what}`) });
}
