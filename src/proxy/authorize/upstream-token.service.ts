import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../../clock.ts';
import { satisfies } from '../../oauth/login/acr.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import type { Session } from '../../session/sessions/session.ts';
import { AccessTokenService } from '../../session/tokens/access-token.service.ts';
import { RouteTokenService } from '../../session/tokens/route-token.service.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import type { ProxyRoute } from '../route-table.ts';
import { stepUpError } from './step-up.ts';

/** Provides the access token that a route sends to its upstream. */
@Injectable()
export class UpstreamTokenService {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly accessTokens: AccessTokenService,
    private readonly routeTokens: RouteTokenService,
  ) {}

  /**
   * Returns the tokens for a route, `undefined` if the user must sign in for one. Returns a promise
   * only if a token must be requested. Throws `step_up_required` before it requests one, and the
   * errors of the token services.
   */
  tokensFor(
    { requirements, signInTarget, isAnonymous }: ProxyRoute,
    account: Session | undefined,
  ): MaybePromise<TokenSet | undefined> {
    if (!account && !isAnonymous) return undefined;
    const demand = requirements?.demand;
    if (account && demand && !satisfies(account, demand, this.clock()))
      throw stepUpError(signInTarget, account, demand);
    if (requirements?.policy) return this.routeTokens.tokensFor(requirements.policy, account);
    return account && this.accessTokens.tokensFor(account);
  }

  /** Gets new tokens to replace those that the upstream refused. */
  async replacementFor(
    { requirements }: ProxyRoute,
    account: Session | undefined,
    refused: TokenSet,
  ): Promise<TokenSet | undefined> {
    if (requirements?.policy)
      return this.routeTokens.replacementFor(requirements.policy, account, refused);
    return account && this.accessTokens.replacementFor(account, refused);
  }
}
