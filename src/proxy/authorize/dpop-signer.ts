import type { IncomingHttpHeaders } from 'node:http';
import { type DpopKey, DpopNonces, dpopProof } from '../../oauth/client/dpop.ts';
import { type HeaderList, valueOf, without } from '../headers/request-headers.ts';

/** Signs DPoP proofs for the access token of one request. */
export interface DpopSigner {
  /** Returns the headers with a new proof. Each proof is for one attempt at one server. */
  prove(headers: HeaderList, origin: string, pathAndQuery: string): HeaderList;
  /** Remembers the nonce of the response, if it has one, for the next proof. */
  updateNonce(answer: IncomingHttpHeaders, origin: string): void;
  /** Uses this key for later proofs, because the access token has changed. */
  change(key: DpopKey): void;
}

/** Creates DPoP signers (RFC 9449 §7) and remembers the newest nonce of each upstream. */
export class DpopSigners {
  readonly #nonces = new DpopNonces();

  constructor(private readonly clock: () => number) {}

  /** Creates a signer for a request with this method and a token that is bound to the key. */
  by(first: DpopKey, method: string): DpopSigner {
    let key = first;
    return {
      prove: (headers, origin, pathAndQuery) => {
        const [path = ''] = pathAndQuery.split('?', 1);
        const authorization = String(valueOf('authorization', headers));
        const proof = dpopProof(key, {
          method,
          target: origin + path,
          accessToken: authorization.slice('DPoP '.length),
          nonce: this.#nonces.of(origin),
          now: this.clock(),
        });
        return [...without('dpop', headers), 'dpop', proof];
      },
      updateNonce: (answer, origin) => this.#nonces.learn(origin, answer['dpop-nonce']),
      change: (other) => {
        key = other;
      },
    };
  }
}
