import {
  type Configuration,
  type IDToken,
  refreshTokenGrant,
  ResponseBodyError,
} from 'openid-client';
import { decodeJwt } from 'jose';
import { BffError } from '../errors.ts';
import { toBffError } from './failure.ts';
import { checkIdToken } from './id-token.ts';
import type { Provider } from './provider.ts';
import { readTokenSet, type TokenSet } from './tokens.ts';

/** What became of a refresh. Only `ended` ends a session; whatever else goes wrong may go right the next time. */
export type RefreshOutcome =
  | { readonly kind: 'refreshed'; readonly tokens: TokenSet }
  | { readonly kind: 'ended'; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: BffError };

/** Whose tokens are refreshed. */
export interface RefreshSubject {
  readonly sub: string;
  readonly tokens: TokenSet;
}

/**
 * Spends a refresh token (RFC 6749 §6). A rotated one takes its place, without rotation it is kept; the ID token of the
 * sign-in is kept where no new one comes. The caller sees to it that no refresh token is spent twice.
 */
export async function refreshTokens(
  provider: Provider,
  { sub, tokens }: RefreshSubject,
  now: number,
): Promise<RefreshOutcome> {
  if (!tokens.refreshToken) return { kind: 'ended', reason: 'there is no refresh token' };
  try {
    const configuration = await provider.configuration();
    const response = await refreshTokenGrant(configuration, tokens.refreshToken);
    const fresh = readTokenSet(response, now);
    const idToken = response.claims();
    if (idToken && idToken.sub !== sub) return { kind: 'ended', reason: 'the user has changed' };
    if (idToken) checkContinuity(idToken, fresh, tokens, configuration, now);
    return { kind: 'refreshed', tokens: { ...carriedOver(tokens), ...fresh } };
  } catch (error) {
    return outcomeOf(error);
  }
}

/** "its nonce Claim … if present … MUST be the same" (OIDC Core §12.2), and what holds for every ID token. */
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

function carriedOver({ refreshToken, idToken, scope }: TokenSet): Partial<TokenSet> {
  return {
    ...(refreshToken && { refreshToken }),
    ...(idToken && { idToken }),
    ...(scope && { scope }),
  };
}

/** Only the authorization server's own word that the grant is over ends a session (RFC 6749 §5.2). */
function outcomeOf(error: unknown): RefreshOutcome {
  if (error instanceof ResponseBodyError && error.error === 'invalid_grant') {
    return { kind: 'ended', reason: 'invalid_grant' };
  }
  const cause = toBffError(error);
  const isUnavailable = cause.code === 'provider_unavailable';
  return {
    kind: 'failed',
    error: isUnavailable ? cause : new BffError('provider_unavailable', { cause }),
  };
}
