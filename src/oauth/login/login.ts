import {
  authorizationCodeGrant,
  type Configuration,
  randomNonce,
  randomState,
} from 'openid-client';
import { BffError } from '../../errors.ts';
import { authorizationUrl } from './authorization-request.ts';
import { checkAuthorizationResponse } from './authorization-response.ts';
import { readClaims } from './claims.ts';
import { newDpopKey, thumbprintOf } from '../client/dpop.ts';
import { isUnknownKey, toBffError } from '../errors.ts';
import { checkAcr, readAuthentication } from './acr.ts';
import { checkFreshness, checkIdToken, readSessionExpiry } from './id-token.ts';
import type { LoginSecrets } from './login-secrets.ts';
import { createPkcePair } from './pkce.ts';
import type { SignIn } from './sign-in.ts';
import { redeemNonOidcCode, withoutUnknownIssuer } from '../non-oidc/login.ts';
import type { Provider } from '../provider/provider.ts';
import { requestParameters } from '../provider/request-parameters.ts';
import { verifySignature } from '../client/signature.ts';
import { readTokenSet } from '../tokens/token-set.ts';

/**
 * Optional parameters of an authorization request, such as `prompt`, `login_hint` and `max_age`.
 */
export type LoginParameters = Readonly<Record<string, string>>;

/** The maximum size of one login parameter, in octets. */
export const maxLoginParameter = 1024;

/** Generates a `state`. `mark` is appended to it and can be read without the pending login. */
export function newState(mark = ''): string {
  return randomState() + mark;
}

/** Optional inputs of `startLogin`. */
export interface LoginStart {
  /** The `state` of the authorization request. Random by default. */
  readonly state?: string;
  /** Awaited before any request to the provider. If it rejects, the login does not start. */
  readonly admitted?: Promise<unknown>;
}

/**
 * Starts an authorization code flow. Returns the URL to redirect to and the secrets to store (RFC
 * 6749 §4.1.1, RFC 7636 §4.3).
 */
export async function startLogin(
  provider: Provider,
  redirectUri: string,
  parameters: LoginParameters,
  { state = newState(), admitted }: LoginStart = {},
): Promise<{ readonly url: URL; readonly secrets: LoginSecrets }> {
  const [configuration, pkce] = await Promise.all([
    provider.configuration(),
    createPkcePair(),
    admitted,
  ]);
  const { resources, scopes } = provider.routeNeeds;
  const requested = requestParameters(provider.options, parameters, scopes);
  const { max_age: maxAge, acr_values: acrValues } = requested;
  const dpopKey = provider.options.dpop ? newDpopKey() : undefined;
  const secrets: LoginSecrets = {
    state,
    nonce: randomNonce(),
    codeVerifier: pkce.codeVerifier,
    redirectUri,
    ...(maxAge !== undefined && { maxAge: Number(maxAge) }),
    ...(dpopKey && { dpopKey }),
    ...(acrValues !== undefined && { acrValues }),
  };
  const request = new URLSearchParams({
    ...requested,
    redirect_uri: redirectUri,
    state: secrets.state,
    // An OAuth 2 provider without OpenID Connect has no ID token that could repeat the nonce.
    ...(provider.options.type !== 'oauth2' && { nonce: secrets.nonce }),
    // Sent even if not advertised: a provider without PKCE ignores it (RFC 6749 §3.1).
    code_challenge: pkce.codeChallenge,
    code_challenge_method: pkce.codeChallengeMethod,
    // The code can then be redeemed only with this key (RFC 9449 §10).
    ...(dpopKey && { dpop_jkt: thumbprintOf(dpopKey) }),
  });
  for (const resource of resources) request.append('resource', resource);
  const url = await authorizationUrl(provider, configuration, request);
  return { url, secrets };
}

/**
 * Ends an authorization code flow: checks the response, redeems the code and verifies the tokens.
 * Remove `secrets` from their store before the call, so that no second response can use them.
 * Throws `invalid_request`, `login_denied`, `login_failed` or `provider_unavailable`.
 */
export async function finishLogin(
  provider: Provider,
  secrets: LoginSecrets,
  received: URLSearchParams,
  now: number,
): Promise<SignIn> {
  const configuration = await provider.configuration();
  const response = withoutUnknownIssuer(provider.options, received);
  checkAuthorizationResponse(response, configuration);
  try {
    return await provider.whileAlive(redeemCode(provider, configuration, secrets, response, now));
  } catch (error) {
    // The provider may have rotated its keys. This code cannot be used again, but the next sign-in
    // uses the new keys.
    if (isUnknownKey(error)) provider.renew();
    throw toBffError(error);
  }
}

async function redeemCode(
  provider: Provider,
  configuration: Configuration,
  secrets: LoginSecrets,
  response: URLSearchParams,
  now: number,
): Promise<SignIn> {
  if (provider.options.type === 'oauth2')
    return redeemNonOidcCode(provider.options, configuration, secrets, response, now);
  // Built from our configuration: the library sends this URL without its query as redirect_uri.
  const callbackUrl = new URL(`${secrets.redirectUri}?${response}`);
  const { dpopKey } = secrets;
  const dpop = provider.dpopOptions(configuration, dpopKey);
  const checks = {
    pkceCodeVerifier: secrets.codeVerifier,
    expectedState: secrets.state,
    expectedNonce: secrets.nonce,
    idTokenExpected: true,
    ...(secrets.maxAge !== undefined && { maxAge: secrets.maxAge }),
  };
  const tokens = await authorizationCodeGrant(configuration, callbackUrl, checks, {}, dpop);
  const idToken = tokens.claims();
  const tokenSet = readTokenSet(tokens, now, dpopKey && { dpopKey });
  const { accessToken, idToken: encoded } = tokenSet;
  if (!idToken || !encoded) throw new BffError('login_failed', { cause: new Error('no ID token') });
  // In the code flow the library accepts TLS instead of a signature (OIDC Core §3.1.3.7 item 6). We
  // always verify the signature.
  await verifySignature(provider, encoded, 'provider');
  checkIdToken(idToken, { encoded, accessToken, clientId: provider.options.clientId, now });
  checkFreshness(idToken, now);
  const authentication = readAuthentication(idToken);
  checkAcr(authentication.acr, secrets.acrValues);
  const { scopes } = provider.options;
  const { ruleClaims } = provider;
  const read = await readClaims(configuration, idToken, accessToken, scopes, dpop, ruleClaims);
  const sessionState = response.get('session_state');
  const sessionExpiry = readSessionExpiry(idToken);
  return {
    issuer: idToken.iss,
    clientId: provider.options.clientId,
    sub: idToken.sub,
    claims: read.claims,
    tokens: tokenSet,
    sources: { readAt: now, ...(read.userInfo && { userInfo: read.userInfo }) },
    ...(typeof idToken['sid'] === 'string' && { sid: idToken['sid'] }),
    ...(sessionExpiry !== undefined && { sessionExpiry }),
    ...(sessionState && { sessionState }),
    ...authentication,
  };
}
