import { BffError } from '../../errors.ts';
import type { VerifiedToken } from './verified-token.ts';

/** Verifies access tokens of the authorization servers in `bearer.issuers`. */
export class BearerIssuers {
  /** Throws `invalid_token`, `provider_unavailable` or `rate_limited`. */
  verify(_token: string): VerifiedToken | Promise<VerifiedToken> {
    throw new BffError('invalid_token', { cause: new Error('no issuer is configured') });
  }
}
