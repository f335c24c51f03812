import { Injectable } from '@nestjs/common';
import { BffError } from '../../errors.ts';
import type { TokenPolicy } from '../../oauth/tokens/token-policy.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';

/** The access token of a caller, to exchange. */
interface CallerToken {
  readonly accessToken: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

/** Exchanges access tokens of callers for those of routes (RFC 8693). */
@Injectable()
export class CallerTokensService {
  tokensFor(_policy: TokenPolicy, _caller: CallerToken): TokenSet | Promise<TokenSet> {
    throw new BffError('token_refused');
  }

  async replacementFor(
    _policy: TokenPolicy,
    _caller: CallerToken,
    _refused: TokenSet,
  ): Promise<TokenSet | undefined> {
    return undefined;
  }
}
