import {
  type Configuration,
  type IDToken,
  refreshTokenGrant,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
} from 'openid-client';
import { decodeJwt } from 'jose';
import { BffError } from '../../errors.ts';
import { isUnknownKey, outageBehind, toBffError } from '../errors.ts';
import { checkIdToken, readSessionExpiry } from '../login/id-token.ts';
import type { Provider } from '../provider/provider.ts';
import { verifySignature } from '../client/signature.ts';
import { readTokenSet, type TokenSet } from './token-set.ts';

/** A refresh without new tokens. Only `ended` ends the session. `failed` may be temporary. */
export type NotRefreshed =
  | { readonly kind: 'ended'; readonly reason: string }
  | {
      readonly kind: 'failed';
      readonly error: BffError;
      /** Whether the failure affects this session only or all sessions of the provider. */
      readonly concerns: 'session' | 'provider';
    }
  /**
   * The provider does not issue this token. The session keeps its tokens. The error is
   * `token_refused`.
   */
  | { readonly kind: 'refused'; readonly error: BffError };

/** The outcome of a refresh. */
export type RefreshOutcome =
  | {
      readonly kind: 'refreshed';
      readonly tokens: TokenSet;
      /**
       * When the provider's session ends, in epoch milliseconds. `undefined` if no new ID token
       * contains it.
       */
      readonly sessionExpiry?: number;
    }
  | NotRefreshed;

/** The user and the tokens to refresh. */
export interface RefreshSubject {
  readonly sub: string;
  readonly tokens: TokenSet;
}

/**
 * Redeems a refresh token (RFC 6749 §6). The result keeps the old refresh token unless it was
 * rotated, and the old ID token unless a new one was issued. The caller sets the timeout and
 * ensures that no refresh token is used twice. `parameters` request a different access token. Only
 * then can the outcome be `refused`.
 */
export async function refreshTokens(
  provider: Provider,
  subject: RefreshSubject,
  now: number,
  parameters?: Readonly<Record<string, string>>,
): Promise<RefreshOutcome> {
  const { tokens: before } = subject;
  if (!before.refreshToken) return withoutRefreshToken(parameters !== undefined);
  try {
    const configuration = await provider.discovered();
    const dpop = provider.dpopOptions(configuration, before.dpopKey);
    const response = await refreshTokenGrant(configuration, before.refreshToken, parameters, dpop);
    const tokens = readTokenSet(response, now, before);
    const idToken = response.claims();
    if (!idToken || !tokens.idToken) return { kind: 'refreshed', tokens };
    // Verified before any claim can end the session.
    await verifySignature(provider, tokens.idToken, 'provider');
    // "its sub Claim Value MUST be the same" (OIDC Core §12.2): tokens of another user are refused.
    // `auth_time` may differ, because Keycloak updates it when the user authenticates elsewhere.
    // The session keeps the `auth_time` and `acr` of its own sign-in.
    if (idToken.sub !== subject.sub) return { kind: 'ended', reason: 'the user has changed' };
    checkContinuity(idToken, tokens, before, configuration, now);
    const sessionExpiry = readSessionExpiry(idToken);
    return { kind: 'refreshed', tokens, ...(sessionExpiry !== undefined && { sessionExpiry }) };
  } catch (error) {
    // The provider has rotated its keys. The next refresh finds the new ones.
    if (isUnknownKey(error)) provider.renew();
    return parameters && !isGrantOver(error) ? routeTokenFailure(error) : outcomeOf(error);
  }
}

/**
 * Returns the outcome of a failed request for a route's own token. A refusal affects only that
 * token.
 */
export function routeTokenFailure(error: unknown): RefreshOutcome {
  const isRefusal = error instanceof ResponseBodyError && !notAboutTheToken.has(error.error);
  return isRefusal ? refused(`the provider says ${error.error}`) : outcomeOf(error);
}

/** For a route's own token, a new sign-in would not bring a refresh token either. */
function withoutRefreshToken(isForAnotherToken: boolean): NotRefreshed {
  const reason = 'there is no refresh token';
  return isForAnotherToken ? refused(reason) : { kind: 'ended', reason };
}

function refused(reason: string): NotRefreshed {
  return { kind: 'refused', error: new BffError('token_refused', { cause: new Error(reason) }) };
}

/** Error codes that are not about the token: our credentials are wrong or the server is down. */
const notAboutTheToken = new Set(['invalid_client', 'temporarily_unavailable', 'server_error']);

/**
 * Makes the checks that apply to every ID token, and compares the nonce: "its nonce Claim … if
 * present … MUST be the same" (OIDC Core §12.2).
 */
function checkContinuity(
  claims: IDToken,
  fresh: TokenSet,
  before: TokenSet,
  configuration: Configuration,
  now: number,
): void {
  const { accessToken, idToken: encoded = '' } = fresh;
  const { client_id: clientId } = configuration.clientMetadata();
  checkIdToken(claims, { encoded, accessToken, clientId, now });
  const nonce = before.idToken && decodeJwt(before.idToken)['nonce'];
  if (claims.nonce !== undefined && claims.nonce !== nonce) {
    throw new BffError('login_failed', { cause: new Error('the ID token has another nonce') });
  }
}

/** Only `invalid_grant` ends a session: the grant has ended (RFC 6749 §5.2). */
function outcomeOf(error: unknown): NotRefreshed {
  if (isGrantOver(error)) return { kind: 'ended', reason: 'invalid_grant' };
  const cause = toBffError(error);
  const isUnavailable = cause.code === 'provider_unavailable';
  return {
    kind: 'failed',
    error: isUnavailable ? cause : new BffError('provider_unavailable', { cause }),
    concerns: isUnavailable ? scopeOfOutage(cause) : scopeOfRefusal(error),
  };
}

function isGrantOver(error: unknown): boolean {
  return error instanceof ResponseBodyError && error.error === 'invalid_grant';
}

/** No response, `5xx` and `429` concern the provider. Any other response concerns the session. */
function scopeOfOutage(error: BffError): 'session' | 'provider' {
  const { status = 503 } = outageBehind(error) ?? {};
  return status >= 500 || status === 429 ? 'provider' : 'session';
}

/** Wrong client credentials concern all sessions (RFC 6749 §5.2 `invalid_client`). */
function scopeOfRefusal(error: unknown): 'session' | 'provider' {
  if (error instanceof WWWAuthenticateChallengeError) return 'provider';
  const isAboutUs = error instanceof ResponseBodyError && error.error === 'invalid_client';
  return isAboutUs ? 'provider' : 'session';
}

/** Whether the provider could not be reached, so that every other request would fail too. */
export function isUnreachable(error: BffError): boolean {
  return outageBehind(error)?.isUnreachable ?? false;
}

/** Whether an unavailable provider did respond: with `5xx`, `429` or an invalid body. */
export function hasResponded(error: BffError): boolean {
  return outageBehind(error)?.status !== undefined;
}

/** The `Retry-After` of a failed provider in seconds, or `undefined` if it sent none. */
export function retryAfterOf(error: BffError): number | undefined {
  return outageBehind(error)?.retryAfter;
}
