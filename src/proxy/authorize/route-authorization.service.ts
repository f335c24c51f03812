import { Inject, Injectable } from '@nestjs/common';
import { satisfies } from '../../oauth/login/acr.ts';
import {
  type AccessToken,
  AccessTokenService,
  type SentToken,
} from '../../session/tokens/access-token.service.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { RouteTokenService } from '../../session/tokens/route-token.service.ts';
import type { Session } from '../../session/sessions/session.ts';
import type { ProxyRoute } from '../route-table.ts';
import { stepUpFor } from './step-up.ts';

/** Gets the token for routes that require their own token or a stronger sign-in. */
@Injectable()
export class RouteAuthorizationService {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly accessTokens: AccessTokenService,
    private readonly routeTokens: RouteTokenService,
  ) {}

  /**
   * Gets the token of a route. Throws `step_up_required` before it requests a token, and the errors
   * of the token services.
   */
  async tokenFor(
    { wants, signInPlace, isAnonymous }: ProxyRoute,
    session: Session | undefined,
  ): Promise<AccessToken> {
    if (!session && !isAnonymous) return { kind: 'none' };
    const demand = wants?.demand;
    if (session && demand && !satisfies(session, demand, this.clock()))
      throw stepUpFor(signInPlace, session, demand);
    if (wants?.policy) return this.routeTokens.tokenFor(wants.policy, session);
    return session ? this.accessTokens.accessTokenFor(session) : { kind: 'none' };
  }

  /** Gets a new token to replace one that the upstream refused. */
  async replacementFor(
    { wants }: ProxyRoute,
    session: Session | undefined,
    refused: SentToken,
  ): Promise<AccessToken> {
    if (wants?.policy) return this.routeTokens.replacementFor(wants.policy, session, refused);
    return session ? this.accessTokens.replacementFor(session, refused) : { kind: 'none' };
  }
}
