import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { DpopKey } from '../../oauth/client/dpop.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import type { Session } from '../sessions/session.ts';
import { TokenRefresher } from './token-refresher.ts';
import type { TokenRequest } from './token-request.ts';

/** An access token with its `Authorization` header value. */
export interface SentToken {
  readonly kind: 'token';
  readonly authorization: string;
  /** The key for DPoP proofs (RFC 9449). `undefined` for a bearer token. */
  readonly dpopKey?: DpopKey;
  /** The token set that was sent, to identify it when an upstream refuses it. */
  readonly tokens: TokenSet;
}

/** The access token for a session, or the fact that there is none. */
export type AccessToken =
  | SentToken
  /** No token is available without another sign-in. */
  | { readonly kind: 'none' };

/** Provides valid access tokens for sessions. One replica refreshes each token. */
@Injectable()
export class AccessTokenService implements OnApplicationShutdown {
  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly refresher: TokenRefresher,
  ) {}

  /** Waits for refreshes in progress: their sessions would lose their only refresh tokens. */
  async onApplicationShutdown(): Promise<void> {
    await this.refresher.settled();
  }

  /**
   * Returns the session's access token as an `Authorization` value (RFC 6750 §2.1, RFC 9449 §7.1).
   * A token that expires soon is returned and replaced in the background. Throws
   * `provider_unavailable` if the provider cannot replace an expired token.
   */
  async accessTokenFor(session: Session): Promise<AccessToken> {
    const state = this.#stateOf(session.tokens);
    if (state === 'over') return this.#replaced({ session });
    if (state === 'ending') {
      // In the background: provider errors are logged. Store errors also reach the next request.
      void this.refresher.refresh({ session }).catch(() => undefined);
    }
    return authorizationBy(session.tokens);
  }

  /** Returns the access token if it is valid and needs no refresh, otherwise `undefined`. */
  certainTokenFor({ tokens }: Session): SentToken | undefined {
    return this.#stateOf(tokens) === 'good' ? authorizationBy(tokens) : undefined;
  }

  /**
   * Returns another token to replace one that an upstream `refused` (RFC 6750 §3.1). Throws
   * `token_refused` if a refused token was already replaced within the last 30 seconds, and the
   * errors of `accessTokenFor`.
   */
  async replacementFor(session: Session, refused: SentToken): Promise<AccessToken> {
    const isOver = this.#stateOf(refused.tokens) === 'over';
    return this.#replaced(isOver ? { session } : { session, refused: refused.tokens });
  }

  async #replaced(wanted: TokenRequest): Promise<AccessToken> {
    if (!wanted.session.tokens.refreshToken) return { kind: 'none' };
    const outcome = await this.refresher.refresh(wanted);
    switch (outcome.kind) {
      case 'refreshed':
        return authorizationBy(outcome.session.tokens);
      case 'ended':
        return { kind: 'none' };
      case 'refused':
      case 'failed':
        throw outcome.error;
    }
  }

  #stateOf(tokens: TokenSet): 'good' | 'ending' | 'over' {
    const now = this.clock();
    const { expiresAt, refreshToken } = tokens;
    if (expiresAt !== undefined && expiresAt <= now) return 'over';
    const isEnding = refreshToken && endsSoon(tokens, this.options.session.refreshAhead, now);
    return isEnding ? 'ending' : 'good';
  }
}

/**
 * Whether a token is within `refreshAhead` (milliseconds) of its expiry, or in the last tenth of
 * its lifetime, whichever begins later.
 */
export function endsSoon(
  { expiresAt, obtainedAt }: TokenSet,
  refreshAhead: number,
  now: number,
): boolean {
  if (expiresAt === undefined) return false;
  return now >= expiresAt - Math.min(refreshAhead, (expiresAt - obtainedAt) / 10);
}

/** Returns an access token as an `Authorization` value (RFC 6750 §2.1, RFC 9449 §7.1). */
export function authorizationBy(tokens: TokenSet): SentToken {
  const { accessToken, dpopKey } = tokens;
  if (dpopKey) return { kind: 'token', authorization: `DPoP ${accessToken}`, dpopKey, tokens };
  return { kind: 'token', authorization: `Bearer ${accessToken}`, tokens };
}
