import { Inject, Injectable } from '@nestjs/common';
import type { CallerToken } from '../../access/bearer/bearer-callers.service.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';
import type { TokenPolicy } from '../../oauth/tokens/token-policy.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import {
  type Caller as TokenOwner,
  CallerTokensService,
} from '../../session/tokens/caller-tokens.service.ts';
import { RouteTokenService } from '../../session/tokens/route-token.service.ts';
import type { MaybePromise } from '../../http/maybe-promise.ts';
import type { ProxyRoute } from '../route-table.ts';
import type { Caller } from './caller.ts';

/** In place of the tokens of a caller whose upstream gets none: see `routes[].forwardToken`. */
export const withheld = Symbol('withheld');

/** Chooses the access token that the upstream of a route gets. */
@Injectable()
export class UpstreamTokensService {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly routeTokens: RouteTokenService,
    private readonly callerTokens: CallerTokensService,
  ) {}

  /**
   * Returns the tokens for the upstream, or `withheld` if it must not get any. `undefined` if the
   * caller has none. Returns a promise only if a token must be requested. Throws `token_refused`
   * for a caller's token that must not be forwarded, and the errors of the token services.
   */
  tokensFor(
    { requirements, isAnonymous, options }: ProxyRoute,
    { account, bearer }: Caller,
  ): MaybePromise<TokenSet | typeof withheld | undefined> {
    const token = bearer?.token;
    if (!account && !token && !isAnonymous) return undefined;
    if (bearer && !options.forwardToken) return withheld;
    const policy = requirements?.policy;
    return token
      ? this.#tokensForToken(policy, token)
      : this.routeTokens.tokensFor(policy, account);
  }

  /**
   * Returns other tokens in place of those that the upstream refused. `undefined` if there are
   * none. Rejects with the errors of the token services.
   */
  async replacementFor(
    { requirements }: ProxyRoute,
    { account, bearer }: Caller,
    refused: TokenSet,
  ): Promise<TokenSet | undefined> {
    const policy = requirements?.policy;
    if (bearer?.token && policy?.kind === 'exchange')
      return this.callerTokens.replacementFor(policy, ownerOf(bearer.token), refused);
    if (bearer?.token && policy?.kind !== 'client') return undefined;
    return this.routeTokens.replacementFor(policy, account, refused);
  }

  #tokensForToken(
    policy: TokenPolicy | undefined,
    token: CallerToken,
  ): MaybePromise<TokenSet | undefined> {
    if (policy?.kind === 'client') return this.routeTokens.tokensFor(policy, undefined);
    if (policy?.kind === 'exchange') return this.callerTokens.tokensFor(policy, ownerOf(token));
    const { value, keyThumbprint, expiresAt } = token;
    if (keyThumbprint !== undefined) {
      const cause = new Error(
        'the token of the caller is bound to a key, so the upstream could not accept it; the ' +
          'route needs exchange or forwardToken: false',
      );
      throw new BffError('token_refused', { cause });
    }
    return { accessToken: value, obtainedAt: this.clock(), expiresAt };
  }
}

function ownerOf({ value, expiresAt }: CallerToken): TokenOwner {
  return { accessToken: value, expiresAt };
}
