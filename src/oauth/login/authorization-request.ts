import {
  buildAuthorizationUrl,
  buildAuthorizationUrlWithJAR,
  buildAuthorizationUrlWithPAR,
  type Configuration,
} from 'openid-client';
import { toBffError } from '../errors.ts';
import type { Provider } from '../provider/provider.ts';

/** The maximum length of the URL of a pushed request, in characters. */
const longestAddress = 4096;

/**
 * Builds the URL of an authorization request. Its parameters are plain, signed (RFC 9101) or pushed
 * (RFC 9126), depending on the provider and the configuration. If one of these methods fails, no
 * other is tried. Throws `login_failed` or `provider_unavailable`.
 */
export async function authorizationUrl(
  provider: Provider,
  configuration: Configuration,
  parameters: URLSearchParams,
): Promise<URL> {
  const request = new URLSearchParams([...parameters, ...responseMode(provider)]);
  try {
    const url = provider.options.jar
      ? await signedUrl(provider, configuration, request)
      : buildAuthorizationUrl(configuration, request);
    if (!isPushed(provider, configuration)) return url;
    return await provider.whileAlive(pushedUrl(configuration, url.searchParams));
  } catch (error) {
    throw toBffError(error);
  }
}

/** The response mode. Empty for the default of `response_type=code`, which is `query`. */
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
  // A `request_uri` is short (RFC 9126 §2.2). `Location` must pass every proxy on its way.
  if (url.href.length > longestAddress) throw new Error('the request_uri is too long');
  return url;
}

/** Whether to push the request: if the provider requires it (RFC 9126 §5) or `par` says so. */
function isPushed(provider: Provider, configuration: Configuration): boolean {
  const { par } = provider.options;
  if (par !== 'auto') return par === 'required';
  return configuration.serverMetadata().require_pushed_authorization_requests === true;
}
