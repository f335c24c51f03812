import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { DpopKey } from '../../oauth/client/dpop.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import type { Session } from '../sessions/session.ts';
import { TokenRefresher } from './token-refresher.ts';
import type { TokenRequest } from './token-request.ts';

/** A token as it is sent. */
export interface SentToken {
  readonly kind: 'token';
  readonly authorization: string;
  /** The key that each use of the token must be proved with. Absent: none. */
  readonly dpopKey?: DpopKey;
  /** The token set that was sent, to identify it when an upstream refuses it. */
  readonly tokens: TokenSet;
}

/** What a route may send on behalf of a session. */
export type AccessToken =
  | SentToken
  /** There is none, and there will be none without another sign-in. */
  | { readonly kind: 'none' };

/** A valid access token for a session, refreshed at most once anywhere. */
@Injectable()
export class AccessTokenService implements OnApplicationShutdown {
  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly refresher: TokenRefresher,
  ) {}

  /** A refresh that nobody waits for any more is still all that its session has. */
  async onApplicationShutdown(): Promise<void> {
    await this.refresher.settled();
  }

  /**
   * The session's access token as an `Authorization` value (RFC 6750 §2.1, RFC 9449 §7.1). One that
   * will end soon still serves while it is replaced in the background. Throws
   * `provider_unavailable` if the provider cannot replace it now.
   */
  async accessTokenFor(session: Session): Promise<AccessToken> {
    const state = this.#stateOf(session.tokens);
    if (state === 'over') return this.#replaced({ session });
    if (state === 'ending') {
      // What the provider fails with is an outcome, and logged; what the store fails with, the next
      // call hears itself.
      void this.refresher.refresh({ session }).catch(() => undefined);
    }
    return authorizationBy(session.tokens);
  }

  /** The same, if there is nothing to be done about it. Absent: there is. */
  certainTokenFor({ tokens }: Session): SentToken | undefined {
    return this.#stateOf(tokens) === 'good' ? authorizationBy(tokens) : undefined;
  }

  /**
   * Another token to replace one that an upstream `refused` (RFC 6750 §3.1). Throws `token_refused`
   * if a refused token was already replaced within the last 30 seconds, and what `accessTokenFor`
   * throws.
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

/** Within `refreshAhead` of its end, or the last tenth of its lifetime, whichever begins later. */
export function endsSoon(
  { expiresAt, obtainedAt }: TokenSet,
  refreshAhead: number,
  now: number,
): boolean {
  if (expiresAt === undefined) return false;
  return now >= expiresAt - Math.min(refreshAhead, (expiresAt - obtainedAt) / 10);
}

/** An access token as an `Authorization` value (RFC 6750 §2.1, RFC 9449 §7.1). */
export function authorizationBy(tokens: TokenSet): SentToken {
  const { accessToken, dpopKey } = tokens;
  if (dpopKey) return { kind: 'token', authorization: `DPoP ${accessToken}`, dpopKey, tokens };
  return { kind: 'token', authorization: `Bearer ${accessToken}`, tokens };
}
