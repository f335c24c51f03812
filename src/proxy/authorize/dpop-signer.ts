import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../../clock.ts';
import { DpopNonces, dpopProof } from '../../oauth/client/dpop.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import { type HeaderList, without } from '../headers/request-headers.ts';

/** Signs DPoP proofs for one access token (RFC 9449 §7). */
export interface DpopSigner {
  /** Returns the headers with a new proof, which is valid for one attempt at one server. */
  prove(headers: HeaderList, origin: string, pathAndQuery: string): HeaderList;
  /** Remembers the nonce of the response, if it has one, for the next proof. */
  updateNonce(response: IncomingHttpHeaders, origin: string): void;
}

/** Creates DPoP signers and remembers the newest nonce of each upstream. */
export class DpopSigners {
  readonly #nonces = new DpopNonces();

  constructor(private readonly clock: Clock) {}

  /**
   * Creates a signer for a request with this method. Returns `undefined` if the access token is
   * bound to no key.
   */
  signerFor({ accessToken, dpopKey }: TokenSet, method: string): DpopSigner | undefined {
    if (!dpopKey) return undefined;
    return {
      prove: (headers, origin, pathAndQuery) => {
        const [path = ''] = pathAndQuery.split('?', 1);
        const nonce = this.#nonces.of(origin);
        const target = origin + path;
        const proof = dpopProof(dpopKey, { method, target, accessToken, nonce, now: this.clock() });
        return [...without('dpop', headers), 'dpop', proof];
      },
      updateNonce: (response, origin) => this.#nonces.update(origin, response['dpop-nonce']),
    };
  }
}
