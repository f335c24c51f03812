import { Inject, Injectable } from '@nestjs/common';
import type { ForeignToken } from '../../access/bearer/bearer-callers.service.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';
import type { MaybePromise } from '../../http/maybe-promise.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import { CallerTokensService } from '../../session/tokens/caller-tokens.service.ts';
import { RouteTokenService } from '../../session/tokens/route-token.service.ts';
import type { ProxyRoute } from '../route-table.ts';

/** Chooses what an upstream gets for a caller with a token of another authorization server. */
@Injectable()
export class ForeignTokensService {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly exchanged: CallerTokensService,
    private readonly routeTokens: RouteTokenService,
  ) {}

  /**
   * Returns the token of the caller as it is, an exchanged one, the token of this application, or
   * `undefined` if the route forwards none. Throws `token_refused` for a token that is bound to a
   * key of the caller, which the upstream could not verify.
   */
  tokensFor(
    { options, requirements }: ProxyRoute,
    token: ForeignToken,
  ): MaybePromise<TokenSet | undefined> {
    const policy = requirements?.policy;
    if (policy?.kind === 'client') return this.routeTokens.tokensFor(policy, undefined);
    if (policy?.kind === 'exchange') return this.exchanged.tokensFor(policy, token);
    if (!options.forwardToken) return undefined;
    if (token.keyThumbprint === undefined) {
      const { accessToken, expiresAt } = token;
      return { accessToken, expiresAt, obtainedAt: this.clock() };
    }
    const cause = new Error(
      'the access token of the caller is bound to its key; the route needs exchange or ' +
        'forwardToken: false',
    );
    throw new BffError('token_refused', { cause });
  }

  /** Returns another token to replace one that the upstream refused, if there can be one. */
  async replacementFor(
    { requirements }: ProxyRoute,
    token: ForeignToken,
    refused: TokenSet,
  ): Promise<TokenSet | undefined> {
    const policy = requirements?.policy;
    if (policy?.kind === 'client')
      return this.routeTokens.replacementFor(policy, undefined, refused);
    if (policy?.kind === 'exchange') return this.exchanged.replacementFor(policy, token, refused);
    return undefined;
  }
}
