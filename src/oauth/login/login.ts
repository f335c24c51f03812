import {
  authorizationCodeGrant,
  type Configuration,
  randomNonce,
  randomState,
} from 'openid-client';
import { BffError } from '../../errors.ts';
import { authorizationUrl } from './authorization-request.ts';
import { checkAuthorizationResponse } from './authorization-response.ts';
import { type Claims, readClaims } from './claims.ts';
import { type DpopKey, newDpopKey, thumbprintOf } from '../client/dpop.ts';
import { isUnknownKey, toBffError } from '../errors.ts';
import { checkAcr, readAuthentication } from './acr.ts';
import { checkFreshness, checkIdToken, readSessionExpiry } from './id-token.ts';
import { createPkcePair } from './pkce.ts';
import { redeemNonOidcCode, withoutUnknownIssuer } from '../non-oidc/login.ts';
import type { Provider } from '../provider/provider.ts';
import { requestParameters } from '../provider/request-parameters.ts';
import { verifySignature } from '../client/signature.ts';
import { readTokenSet, type TokenSet } from '../tokens/token-set.ts';

/**
 * What one authorization request must remember until its response comes back. Secret: it never
 * reaches the browser whole.
 */
export interface LoginSecrets {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
  readonly redirectUri: string;
  /** Seconds. Absent: no `max_age` was asked for, so `auth_time` is not judged. */
  readonly maxAge?: number;
  /** The key the tokens will be bound to. Absent: they will not be. */
  readonly dpopKey?: DpopKey;
  /**
   * One of these, separated by spaces. Absent: no `acr_values` were asked for, so `acr` is not
   * judged.
   */
  readonly acrValues?: string;
}

/** A user who has just signed in. */
export interface SignIn {
  readonly issuer: string;
  /** The client that the tokens were issued to. */
  readonly clientId: string;
  readonly sub: string;
  readonly claims: Claims;
  readonly tokens: TokenSet;
  /**
   * The provider's own session identifier, for its logout tokens. Absent: the provider sent none.
   */
  readonly sid?: string;
  /**
   * When the provider's session ends (`session_expiry`), in epoch milliseconds. Absent: it does not
   * say.
   */
  readonly sessionExpiry?: number;
  /** OIDC Session Management `session_state`. Absent: the provider sent none. */
  readonly sessionState?: string;
  /** How the user has signed in (`acr` of the ID token). Absent: the provider does not say. */
  readonly acr?: string;
  /** When that was (`auth_time`), in epoch milliseconds. Absent: the provider does not say. */
  readonly authTime?: number;
}

/**
 * What a sign-in asks of the authorization server beside the protocol: `prompt`, `login_hint`,
 * `max_age` and their like.
 */
export type LoginParameters = Readonly<Record<string, string>>;

/** The maximum size of one parameter of a sign-in, in octets. */
export const longestLoginParameter = 1024;

/** A new `state`. A mark at its end can be read before the response is verified. */
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
  const asked = requestParameters(provider.options, parameters, scopes);
  const { max_age: maxAge, acr_values: acrValues } = asked;
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
    ...asked,
    redirect_uri: redirectUri,
    state: secrets.state,
    // A plain OAuth 2 service has no ID token to repeat it in.
    ...(provider.options.type !== 'oauth2' && { nonce: secrets.nonce }),
    // Sent whether or not the provider advertises it: one that knows nothing of PKCE ignores it
    // (RFC 6749 §3.1).
    code_challenge: pkce.codeChallenge,
    code_challenge_method: pkce.codeChallengeMethod,
    // From here on the code is worth nothing without the key (RFC 9449 §10).
    ...(dpopKey && { dpop_jkt: thumbprintOf(dpopKey) }),
  });
  for (const resource of resources) request.append('resource', resource);
  const url = await authorizationUrl(provider, configuration, request);
  return { url, secrets };
}

/**
 * Ends an authorization code flow: judges the response, redeems the code with the verifier and
 * judges the tokens. `secrets` must have been taken from where they were kept, so that no second
 * response can use them. Throws `invalid_request`, `login_denied`, `login_failed` or
 * `provider_unavailable`; after any of them nobody is signed in.
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
    // The provider has new keys. The code is spent, but the next sign-in shall find them.
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
  const proving = provider.proving(configuration, dpopKey);
  const checks = {
    pkceCodeVerifier: secrets.codeVerifier,
    expectedState: secrets.state,
    expectedNonce: secrets.nonce,
    idTokenExpected: true,
    ...(secrets.maxAge !== undefined && { maxAge: secrets.maxAge }),
  };
  const tokens = await authorizationCodeGrant(configuration, callbackUrl, checks, {}, proving);
  const idToken = tokens.claims();
  const tokenSet = readTokenSet(tokens, now, dpopKey && { dpopKey });
  const { accessToken, idToken: encoded } = tokenSet;
  if (!idToken || !encoded) throw new BffError('login_failed', { cause: new Error('no ID token') });
  // The library takes TLS for a signature in the code flow (OIDC Core §3.1.3.7 item 6); we always
  // verify it.
  await verifySignature(provider, encoded, 'provider');
  checkIdToken(idToken, { encoded, accessToken, clientId: provider.options.clientId, now });
  checkFreshness(idToken, now);
  const authentication = readAuthentication(idToken);
  checkAcr(authentication.acr, secrets.acrValues);
  const { scopes } = provider.options;
  const sessionState = response.get('session_state');
  const sessionExpiry = readSessionExpiry(idToken);
  return {
    issuer: idToken.iss,
    clientId: provider.options.clientId,
    sub: idToken.sub,
    claims: await readClaims(configuration, idToken, accessToken, scopes, proving),
    tokens: tokenSet,
    ...(typeof idToken['sid'] === 'string' && { sid: idToken['sid'] }),
    ...(sessionExpiry !== undefined && { sessionExpiry }),
    ...(sessionState && { sessionState }),
    ...authentication,
  };
}
