import { Injectable } from '@nestjs/common';
import { BffError } from '../../errors.ts';
import type { TokenPolicy } from '../../oauth/tokens/token-policy.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';

/** A client that called with an access token of its own. */
export interface Caller {
  readonly accessToken: string;
  /** The end of the access token, in epoch milliseconds. */
  readonly expiresAt: number;
}

/** Exchanges the access tokens of clients for those of a route (RFC 8693). */
@Injectable()
export class CallerTokensService {
  /**
   * Returns the access token of a policy for this caller. Returns a promise only if it must be
   * requested. Throws or rejects with `token_refused` and `provider_unavailable`.
   */
  tokensFor(_policy: TokenPolicy, _caller: Caller): TokenSet | Promise<TokenSet> {
    throw new BffError('token_refused');
  }

  /**
   * Returns another token to replace one that the upstream `refused`. Throws `token_refused` if
   * refused tokens were already replaced within the last 30 seconds.
   */
  async replacementFor(
    _policy: TokenPolicy,
    _caller: Caller,
    _refused: TokenSet,
  ): Promise<TokenSet | undefined> {
    return undefined;
  }
}
