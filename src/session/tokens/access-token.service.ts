import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import type { Session } from '../sessions/session.ts';
import { TokenRefresher } from './token-refresher.ts';
import type { TokenRequest } from './token-request.ts';

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
   * Returns the session's tokens with a valid access token, `undefined` if only another sign-in can
   * provide one. A token that expires soon is returned and replaced in the background. Returns a
   * promise only if an expired token must be replaced; it rejects with `provider_unavailable` if
   * the provider cannot replace it.
   */
  tokensFor(session: Session): TokenSet | undefined | Promise<TokenSet | undefined> {
    const state = this.#stateOf(session.tokens);
    if (state === 'expired') return this.#refresh({ session });
    if (state === 'expiring') {
      // In the background: provider errors are logged. A store error fails the next request too.
      void this.refresher.refresh({ session }).catch(() => undefined);
    }
    return session.tokens;
  }

  /**
   * Returns other tokens to replace those that an upstream `refused` (RFC 6750 §3.1). Throws
   * `token_refused` if refused tokens were already replaced within the last 30 seconds, and the
   * errors of `tokensFor`.
   */
  async replacementFor(session: Session, refused: TokenSet): Promise<TokenSet | undefined> {
    const isExpired = this.#stateOf(refused) === 'expired';
    return this.#refresh(isExpired ? { session } : { session, refused });
  }

  async #refresh(request: TokenRequest): Promise<TokenSet | undefined> {
    if (!request.session.tokens.refreshToken) return undefined;
    const outcome = await this.refresher.refresh(request);
    switch (outcome.kind) {
      case 'refreshed':
        return outcome.session.tokens;
      case 'ended':
        return undefined;
      case 'refused':
      case 'failed':
        throw outcome.error;
    }
  }

  #stateOf(tokens: TokenSet): 'valid' | 'expiring' | 'expired' {
    const now = this.clock();
    const { expiresAt, refreshToken } = tokens;
    if (expiresAt !== undefined && expiresAt <= now) return 'expired';
    const isExpiring = refreshToken && expiresSoon(tokens, this.options.session.refreshAhead, now);
    return isExpiring ? 'expiring' : 'valid';
  }
}

/**
 * Whether a token is within `refreshAhead` (milliseconds) of its expiry, or in the last tenth of
 * its lifetime, whichever begins later.
 */
export function expiresSoon(
  { expiresAt, obtainedAt }: TokenSet,
  refreshAhead: number,
  now: number,
): boolean {
  if (expiresAt === undefined) return false;
  return now >= expiresAt - Math.min(refreshAhead, (expiresAt - obtainedAt) / 10);
}
