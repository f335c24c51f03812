import { hash } from 'node:crypto';
import { BffError } from '../../errors.ts';

/** The maximum number of proofs that are remembered, and of those the ones of one key. */
const mostProofs = 200_000;
const mostOfKey = 50_000;

interface UsedProof {
  readonly keyThumbprint: string;
  /** Epoch milliseconds. */
  readonly until: number;
}

/**
 * The DPoP proofs that were used in this process, so that none is accepted twice (RFC 9449 §11.1).
 * The memory is bounded. It never forgets a proof that could be used again: when it is full, new
 * proofs are refused. One key can fill a quarter of it.
 */
export class UsedProofs {
  /** The used proofs, oldest first. */
  readonly #used = new Map<string, UsedProof>();
  readonly #countOfKey = new Map<string, number>();

  constructor(
    /** How long a proof can be used after it was first seen, in milliseconds. */
    private readonly lifetime: number,
    private readonly clock: () => number,
  ) {}

  /**
   * Remembers a proof by its key and `jti`. Returns `false` if it was used before. Throws
   * `rate_limited` if there is no room for it.
   */
  add(keyThumbprint: string, jti: string): boolean {
    this.#forgetOld();
    const name = hash('sha256', `${keyThumbprint} ${jti}`, 'base64url');
    if (this.#used.has(name)) return false;
    const ofKey = this.#countOfKey.get(keyThumbprint) ?? 0;
    if (this.#used.size >= mostProofs || ofKey >= mostOfKey) throw full(ofKey);
    this.#used.set(name, { keyThumbprint, until: this.clock() + this.lifetime });
    this.#countOfKey.set(keyThumbprint, ofKey + 1);
    return true;
  }

  #forgetOld(): void {
    const now = this.clock();
    for (const [name, { keyThumbprint, until }] of this.#used) {
      if (until >= now) return;
      this.#used.delete(name);
      const left = (this.#countOfKey.get(keyThumbprint) ?? 1) - 1;
      if (left > 0) this.#countOfKey.set(keyThumbprint, left);
      else this.#countOfKey.delete(keyThumbprint);
    }
  }
}

function full(ofKey: number): BffError {
  const cause = new Error(`too many DPoP proofs within a minute, ${ofKey} of them of this key`);
  return new BffError('rate_limited', { cause });
}
