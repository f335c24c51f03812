import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ownTokenPolicy, type TokenPolicy } from '../../oauth/tokens/token-policy.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import { AccessTokenService, expiresSoon } from './access-token.service.ts';
import { ClientTokens } from './client-tokens.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import type { Session } from '../sessions/session.ts';
import { TokenRefresher } from './token-refresher.ts';
import { tokensIn } from './token-request.ts';

/**
 * Provides valid access tokens for routes with a token policy. One replica requests each token.
 * User tokens are kept in the session, client tokens in a shared record.
 */
@Injectable()
export class RouteTokenService implements OnApplicationShutdown {
  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly accessTokens: AccessTokenService,
    private readonly refresher: TokenRefresher,
    private readonly clientTokens: ClientTokens,
  ) {}

  /** Waits for token requests in progress, so that the next process finds their tokens. */
  async onApplicationShutdown(): Promise<void> {
    await this.clientTokens.settled();
  }

  /**
   * Returns the tokens of a policy for this session, or those of the sign-in without a policy.
   * `undefined` if only another sign-in can provide them. Client tokens need no session. Returns a
   * promise only if tokens must be requested; it rejects with `token_refused` if the provider
   * issues none, and with the errors of `AccessTokenService`.
   */
  tokensFor(
    policy: TokenPolicy | undefined,
    session: Session | undefined,
  ): TokenSet | undefined | Promise<TokenSet | undefined> {
    if (!policy) return session && this.accessTokens.tokensFor(session);
    if (policy.kind === 'client') return this.#clientTokens(policy);
    const tokens = session && tokensIn(session, policy);
    if (!tokens || this.#isExpired(tokens)) return this.#fetch(policy, session);
    if (this.#expiresSoon(tokens)) {
      // In the background: failures are logged, and this request has a valid token.
      void this.#fetch(policy, session).catch(() => undefined);
    }
    return tokens;
  }

  /**
   * Returns other tokens to replace those that the upstream `refused`. Throws `token_refused` if
   * refused tokens were already replaced within the last 30 seconds.
   */
  async replacementFor(
    policy: TokenPolicy | undefined,
    session: Session | undefined,
    refused: TokenSet,
  ): Promise<TokenSet | undefined> {
    if (!policy) return session && this.accessTokens.replacementFor(session, refused);
    if (policy.kind === 'client') return this.clientTokens.replacementFor(policy, refused);
    return this.#fetch(policy, session, this.#isExpired(refused) ? undefined : refused);
  }

  async #fetch(
    policy: TokenPolicy,
    session: Session | undefined,
    refused?: TokenSet,
  ): Promise<TokenSet | undefined> {
    if (!session) return undefined;
    let actorToken: string | undefined;
    if (policy.kind === 'exchange') {
      // The subject token of an exchange must be valid.
      const subject = await this.accessTokens.tokensFor(session);
      if (!subject) return undefined;
      if (policy.actor) {
        const actor = await this.#clientTokens(ownTokenPolicy(policy.provider));
        actorToken = actor.accessToken;
      }
    }
    const outcome = await this.refresher.refresh({ session, policy, actorToken, refused });
    switch (outcome.kind) {
      case 'refreshed':
        return tokensIn(outcome.session, policy);
      case 'ended':
        return undefined;
      case 'refused':
      case 'failed':
        throw outcome.error;
    }
  }

  #clientTokens(policy: TokenPolicy): TokenSet | Promise<TokenSet> {
    const cached = this.clientTokens.cached(policy);
    if (!cached) return this.clientTokens.fetch(policy, undefined);
    if (this.#expiresSoon(cached)) {
      // In the background: failures are logged, and this request has a valid token.
      void this.clientTokens.fetch(policy, cached).catch(() => undefined);
    }
    return cached;
  }

  #isExpired({ expiresAt = Infinity }: TokenSet): boolean {
    return expiresAt <= this.clock();
  }

  #expiresSoon(tokens: TokenSet): boolean {
    return expiresSoon(tokens, this.options.session.refreshAhead, this.clock());
  }
}
