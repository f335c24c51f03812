import type { IncomingHttpHeaders } from 'node:http';
import { type DpopKey, DpopNonces, dpopProof } from '../../oauth/client/dpop.ts';
import { type HeaderList, valueOf, without } from '../headers/request-headers.ts';

/** Proves to an upstream that the access token in a request is ours to use. */
export interface DpopSigner {
  /** Headers that have the token with a new proof, for one sending of them to this server. */
  prove(headers: HeaderList, origin: string, pathAndQuery: string): HeaderList;
  /** Hears what the server said, which may be a nonce for the next proof. */
  updateNonce(answer: IncomingHttpHeaders, origin: string): void;
  /** From now on the headers have a token that is bound to this key. */
  change(key: DpopKey): void;
}

/** Proofs of possession (RFC 9449 §7) for all upstreams, whose newest nonces it remembers. */
export class DpopSigners {
  readonly #nonces = new DpopNonces();

  constructor(private readonly clock: () => number) {}

  /** For requests of this method with a token that is bound to the key. */
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
