import type { Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';

/** A request that a client sent with a DPoP-bound access token. */
export interface BoundRequest {
  readonly method: string;
  /** The public URL of the request. Query and fragment are ignored. */
  readonly url: string;
  readonly accessToken: string;
  /** The JWK thumbprint that the access token is bound to (`cnf.jkt`). */
  readonly keyThumbprint: string;
}

/** Checks the DPoP proofs of clients, each of which is accepted once (RFC 9449 §4.3). */
export class DpopProofs {
  constructor(_clock: Clock) {}

  /** Verifies the value of the `DPoP` header. Rejects with `invalid_token`. */
  async verify(_proof: string | undefined, _request: BoundRequest): Promise<void> {
    throw new BffError('invalid_token', { cause: new Error('not implemented') });
  }
}
