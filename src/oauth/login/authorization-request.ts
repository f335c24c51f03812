import {
  buildAuthorizationUrl,
  buildAuthorizationUrlWithJAR,
  buildAuthorizationUrlWithPAR,
  type Configuration,
} from 'openid-client';
import { toBffError } from '../errors.ts';
import type { Provider } from '../provider/provider.ts';

/** Of a request that was pushed, in characters. */
const longestAddress = 4096;

/**
 * Where to send the browser with an authorization request: open, signed (RFC 9101) or only named
 * because it was pushed before (RFC 9126), as provider and configuration want it. None falls back
 * to another when it fails. Throws `login_failed` or `provider_unavailable`.
 */
export async function authorizationUrl(
  provider: Provider,
  configuration: Configuration,
  parameters: URLSearchParams,
): Promise<URL> {
  const asked = new URLSearchParams([...parameters, ...responseMode(provider)]);
  try {
    const url = provider.options.jar
      ? await signedUrl(provider, configuration, asked)
      : buildAuthorizationUrl(configuration, asked);
    if (!isPushed(provider, configuration)) return url;
    return await provider.whileAlive(pushedUrl(configuration, url.searchParams));
  } catch (error) {
    throw toBffError(error);
  }
}

/** How the answer comes back. Absent: as a query, the default of `response_type=code`. */
function responseMode({ options: { responseMode: mode, jarm } }: Provider): [string, string][] {
  if (mode === 'form_post') return [['response_mode', jarm ? 'form_post.jwt' : mode]];
  return jarm ? [['response_mode', 'jwt']] : [];
}

async function signedUrl(
  provider: Provider,
  configuration: Configuration,
  parameters: URLSearchParams,
): Promise<URL> {
  const { key, options } = await provider.signingKey();
  return buildAuthorizationUrlWithJAR(configuration, parameters, key, options);
}

async function pushedUrl(configuration: Configuration, parameters: URLSearchParams): Promise<URL> {
  const url = await buildAuthorizationUrlWithPAR(configuration, parameters);
  // It names a request in a few characters (RFC 9126 §2.2); a header that holds it must pass every
  // proxy on its way.
  if (url.href.length > longestAddress) throw new Error('the request_uri has no end');
  return url;
}

/** Where the provider insists, unless `par` decides otherwise (RFC 9126 §5). */
function isPushed(provider: Provider, configuration: Configuration): boolean {
  const { par } = provider.options;
  if (par !== 'auto') return par === 'required';
  return configuration.serverMetadata().require_pushed_authorization_requests === true;
}
