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

/**
 * What a refresh comes to without new tokens. Only `ended` ends a session; whatever else goes wrong
 * may go right the next time.
 */
export type NotRefreshed =
  | { readonly kind: 'ended'; readonly reason: string }
  | {
      readonly kind: 'failed';
      readonly error: BffError;
      /** Whether anybody else would have fared better. */
      readonly concerns: 'session' | 'provider';
    }
  /**
   * The provider gives no such token; what there is stays as it is. Its code is `token_refused`.
   */
  | { readonly kind: 'refused'; readonly error: BffError };

/** What became of a refresh. */
export type RefreshOutcome =
  | {
      readonly kind: 'refreshed';
      readonly tokens: TokenSet;
      /**
       * When the provider's session ends, in epoch milliseconds. Absent: no new ID token says so.
       */
      readonly sessionExpiry?: number;
    }
  | NotRefreshed;

/** Whose tokens are refreshed. */
export interface RefreshSubject {
  readonly sub: string;
  readonly tokens: TokenSet;
}

/**
 * Spends a refresh token (RFC 6749 §6). A rotated one takes its place, without rotation it is kept;
 * the ID token of the sign-in is kept where no new one comes. The caller sees to it that no refresh
 * token is spent twice, and for how long anybody waits. `parameters` ask for an access token that
 * is another than that of the sign-in, which may be `refused`.
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
    const proving = provider.proving(configuration, before.dpopKey);
    const response = await refreshTokenGrant(
      configuration,
      before.refreshToken,
      parameters,
      proving,
    );
    const tokens = readTokenSet(response, now, before);
    const idToken = response.claims();
    if (!idToken || !tokens.idToken) return { kind: 'refreshed', tokens };
    // Before anything it says may end a session.
    await verifySignature(provider, tokens.idToken, 'provider');
    // "its sub Claim Value MUST be the same" (OIDC Core §12.2): tokens of another user are refused.
    // `auth_time` may differ, because Keycloak updates it when the user authenticates elsewhere.
    // The session keeps the `auth_time` and `acr` of its own sign-in.
    if (idToken.sub !== subject.sub) return { kind: 'ended', reason: 'the user has changed' };
    checkContinuity(idToken, tokens, before, configuration, now);
    const sessionExpiry = readSessionExpiry(idToken);
    return { kind: 'refreshed', tokens, ...(sessionExpiry !== undefined && { sessionExpiry }) };
  } catch (error) {
    // The provider has new keys, which the next refresh shall find.
    if (isUnknownKey(error)) provider.renew();
    return parameters && !isGrantOver(error) ? unfulfilled(error) : outcomeOf(error);
  }
}

/**
 * The outcome of a request for another token than that of the sign-in. A refusal is about that
 * token alone.
 */
export function unfulfilled(error: unknown): RefreshOutcome {
  const isRefusal = error instanceof ResponseBodyError && !notAboutTheToken.has(error.error);
  return isRefusal ? refused(`the provider says ${error.error}`) : outcomeOf(error);
}

/** Another sign-in would bring none either. */
function withoutRefreshToken(isForAnotherToken: boolean): NotRefreshed {
  const reason = 'there is no refresh token';
  return isForAnotherToken ? refused(reason) : { kind: 'ended', reason };
}

function refused(reason: string): NotRefreshed {
  return { kind: 'refused', error: new BffError('token_refused', { cause: new Error(reason) }) };
}

/**
 * Refusals that say nothing of what was asked for: our credentials, or that the server cannot now.
 */
const notAboutTheToken = new Set(['invalid_client', 'temporarily_unavailable', 'server_error']);

/**
 * "its nonce Claim … if present … MUST be the same" (OIDC Core §12.2), and what holds for every ID
 * token.
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

/**
 * Only the authorization server's own word that the grant is over ends a session (RFC 6749 §5.2).
 */
function outcomeOf(error: unknown): NotRefreshed {
  if (isGrantOver(error)) return { kind: 'ended', reason: 'invalid_grant' };
  const cause = toBffError(error);
  const isUnavailable = cause.code === 'provider_unavailable';
  return {
    kind: 'failed',
    error: isUnavailable ? cause : new BffError('provider_unavailable', { cause }),
    concerns: isUnavailable ? whomOutageConcerns(cause) : whomRefusalConcerns(error),
  };
}

function isGrantOver(error: unknown): boolean {
  return error instanceof ResponseBodyError && error.error === 'invalid_grant';
}

/**
 * No answer at all, `5xx` and `429` are about the server, anything else it said is about what it
 * was asked.
 */
function whomOutageConcerns(error: BffError): 'session' | 'provider' {
  const { status = 503 } = outageBehind(error) ?? {};
  return status >= 500 || status === 429 ? 'provider' : 'session';
}

/** Our credentials are everybody's (RFC 6749 §5.2 `invalid_client`). */
function whomRefusalConcerns(error: unknown): 'session' | 'provider' {
  if (error instanceof WWWAuthenticateChallengeError) return 'provider';
  const isAboutUs = error instanceof ResponseBodyError && error.error === 'invalid_client';
  return isAboutUs ? 'provider' : 'session';
}

/** Whether the provider could not be reached, so that every other request would fail as well. */
export function isUnreachable(error: BffError): boolean {
  return outageBehind(error)?.isUnreachable ?? false;
}

/** Whether an unavailable provider did respond: with `5xx`, `429` or an invalid body. */
export function hasResponded(error: BffError): boolean {
  return outageBehind(error)?.status !== undefined;
}

/**
 * For how many seconds the provider asked to be left alone when it failed. Absent: it did not say.
 */
export function requestedPause(error: BffError): number | undefined {
  return outageBehind(error)?.retryAfter;
}
