import type { Clock } from '../../clock.ts';
import type { BearerOptions } from '../../config/options.ts';
import { BffError } from '../../errors.ts';
import type { ProviderRegistry } from '../provider-registry.ts';
import type { VerifiedToken } from './verified-token.ts';

/** The authorization servers of `bearer.issuers`, whose access tokens clients may call with. */
export class BearerIssuers {
  constructor(_options: BearerOptions, _providers: ProviderRegistry, _clock: Clock) {}

  /**
   * Verifies an access token of a client. Returns no promise if the result is remembered. Throws or
   * rejects with `invalid_token`, `provider_unavailable` if the issuer cannot be reached and no
   * keys are cached, and `rate_limited` if too many introspections are running.
   */
  verify(_token: string): VerifiedToken | Promise<VerifiedToken> {
    throw new BffError('invalid_token', { cause: new Error('not implemented') });
  }
}
