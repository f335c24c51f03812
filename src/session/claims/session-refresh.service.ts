import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';
import type { Session } from '../sessions/session.ts';
import { TokenRefresher } from '../tokens/token-refresher.ts';
import { ClaimsRefresher } from './claims-refresher.ts';

/** The minimum time between two refreshes of one session, in milliseconds. */
const minRefreshInterval = 30_000;

/** Refreshes the tokens and claims of a session on request of its frontend. */
@Injectable()
export class SessionRefreshService {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly tokens: TokenRefresher,
    private readonly claims: ClaimsRefresher,
  ) {}

  /**
   * Returns the session with new tokens and claims, or as it is if it was refreshed within the last
   * 30 seconds. Without a refresh token only UserInfo is read. Throws `provider_unavailable`, and
   * `not_signed_in` if the session has ended or its only access token has expired.
   */
  async refresh(session: Session): Promise<Session> {
    if (this.#isJustRefreshed(session)) return session;
    const { refreshToken, idToken, expiresAt = Infinity } = session.tokens;
    if (!refreshToken && expiresAt <= this.clock()) throw new BffError('not_signed_in');
    const current = refreshToken ? await this.#withNewTokens(session) : session;
    const hasNewIdToken = current.tokens.idToken !== idToken;
    const needsUserInfo = !hasNewIdToken || current.sources?.userInfo !== undefined;
    if (!needsUserInfo && !this.claims.policy.isHooked) return current;
    return this.#withNewClaims(current, needsUserInfo);
  }

  async #withNewTokens(session: Session): Promise<Session> {
    const outcome = await this.tokens.refresh({ session, leavesClaims: true });
    if (outcome.kind === 'refreshed') return outcome.session;
    if (outcome.kind === 'ended') throw new BffError('not_signed_in');
    throw outcome.error;
  }

  async #withNewClaims(session: Session, needsUserInfo: boolean): Promise<Session> {
    const outcome = await this.claims.refresh(session, needsUserInfo ? 'user_info' : 'hook');
    if (outcome.kind === 'read') return outcome.session;
    if (outcome.kind === 'ended') throw new BffError('not_signed_in');
    const { error } = outcome;
    // If the hook does not respond, the claims stay as they were.
    if (error.code === 'hook_unavailable') return session;
    if (error.code === 'provider_unavailable') throw error;
    throw new BffError('provider_unavailable', { cause: error });
  }

  #isJustRefreshed({ sources }: Session): boolean {
    const { refreshedAt = -Infinity } = sources ?? {};
    // The clock of the replica that wrote it may be ahead of ours.
    return Math.abs(this.clock() - refreshedAt) < minRefreshInterval;
  }
}
