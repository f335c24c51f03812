import { authorizationCodeGrant, type Configuration } from 'openid-client';
import type { ProviderOptions } from '../../config/options.ts';
import type { LoginSecrets } from '../login/login-secrets.ts';
import type { SignIn } from '../login/sign-in.ts';
import { readNonOidcUser } from './user.ts';
import { readTokenSet } from '../tokens/token-set.ts';

/**
 * Redeems a code at an OAuth 2 provider without OpenID Connect and reads the user from its user
 * endpoint. `state` and PKCE bind the response to the browser, as there is no ID token or nonce.
 */
export async function redeemNonOidcCode(
  options: ProviderOptions,
  configuration: Configuration,
  secrets: LoginSecrets,
  response: URLSearchParams,
  now: number,
): Promise<SignIn> {
  const callbackUrl = new URL(`${secrets.redirectUri}?${response}`);
  const tokenResponse = await authorizationCodeGrant(configuration, callbackUrl, {
    pkceCodeVerifier: secrets.codeVerifier,
    expectedState: secrets.state,
  });
  const tokens = readTokenSet(tokenResponse, now);
  const { sub, claims } = await readNonOidcUser(configuration, options, tokens);
  const { issuer, clientId } = options;
  return { issuer, clientId, sub, claims, tokens, sources: { readAt: now, userInfo: claims } };
}

/**
 * Removes an `iss` that cannot be compared with a known issuer. Responses of several providers are
 * still kept apart, because each has its own redirect URI (RFC 9207 §2.4, RFC 9700 §4.4.2).
 */
export function withoutUnknownIssuer(
  { type, issuer, userinfoEndpoint }: ProviderOptions,
  response: URLSearchParams,
): URLSearchParams {
  if (type !== 'oauth2' || issuer !== userinfoEndpoint) return response;
  const withoutIssuer = new URLSearchParams(response);
  withoutIssuer.delete('iss');
  return withoutIssuer;
}
