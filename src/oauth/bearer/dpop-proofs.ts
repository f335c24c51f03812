import { createHash } from 'node:crypto';
import {
  calculateJwkThumbprint,
  EmbeddedJWK,
  type JWK,
  type JWTPayload,
  type JWTVerifyResult,
  jwtVerify,
} from 'jose';
import type { Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';

/** The signature algorithms of proofs that are accepted (RFC 9449 §5.1). */
export const dpopAlgorithms = ['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256'] as const;

/** How old a proof may be, and how far in the future, in milliseconds. */
const maxAge = 60_000;
const clockTolerance = 5_000;

/** The number of proofs that are remembered. Beyond it, proofs are refused until some expire. */
const maxRemembered = 200_000;

/** The maximum length of a proof, in characters. */
const maxLength = 4 * 1024;

/** The request that a proof must be for. */
export interface ProvenRequest {
  readonly method: string;
  /** The public URL. Its query does not count. */
  readonly url: string;
  readonly accessToken: string;
  /** The JWK thumbprint that the access token is bound to (`cnf.jkt`). */
  readonly keyThumbprint: string;
}

/** Verifies DPoP proofs of clients (RFC 9449 §4.3). Each is accepted once by this process. */
export class DpopProofs {
  /** The expiry of each proof that was used, oldest first, in epoch milliseconds. */
  readonly #used = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  /** Throws `invalid_token` if the request has no valid proof, with the reason as its cause. */
  async verify(proof: string | undefined, request: ProvenRequest): Promise<void> {
    if (!proof || proof.length > maxLength) throw refused('there is no DPoP proof');
    const { payload, protectedHeader } = await verifySignature(proof, this.clock());
    const { jwk } = protectedHeader as { readonly jwk: JWK };
    const thumbprint = await calculateJwkThumbprint(jwk);
    if (thumbprint !== request.keyThumbprint) throw refused('the proof is by another key');
    if (payload['htm'] !== request.method) throw refused('the proof is for another method (htm)');
    if (!isSameUrl(payload['htu'], request.url))
      throw refused('the proof is for another URL (htu)');
    if (payload['ath'] !== hashOf(request.accessToken))
      throw refused('the proof is for another access token (ath)');
    this.#useOnce(payload, thumbprint);
  }

  #useOnce({ jti, iat = 0 }: JWTPayload, thumbprint: string): void {
    const now = this.clock();
    const age = now - iat * 1000;
    if (age > maxAge || age < -clockTolerance)
      throw refused('the proof is too old or too new (iat)');
    if (typeof jti !== 'string' || jti === '') throw refused('the proof has no jti');
    for (const [used, expiresAt] of this.#used) {
      if (expiresAt > now) break;
      this.#used.delete(used);
    }
    const id = hashOf(`${thumbprint} ${jti}`);
    if (this.#used.has(id)) throw refused('the proof was used before (jti)');
    // A forgotten proof could be used again.
    if (this.#used.size >= maxRemembered) throw new BffError('rate_limited');
    this.#used.set(id, now + maxAge + clockTolerance);
  }
}

async function verifySignature(proof: string, now: number): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: [...dpopAlgorithms],
      currentDate: new Date(now),
      requiredClaims: ['jti', 'htm', 'htu', 'iat', 'ath'],
    });
  } catch (cause) {
    throw new BffError('invalid_token', { cause });
  }
}

/** Compares two URLs without query and fragment, after normalisation (RFC 9449 §4.3). */
function isSameUrl(claimed: unknown, expected: string): boolean {
  const url = typeof claimed === 'string' ? URL.parse(claimed) : null;
  const own = URL.parse(expected);
  return url !== null && own !== null && baseOf(url) === baseOf(own);
}

function baseOf({ origin, pathname }: URL): string {
  return origin + pathname;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

function refused(reason: string): BffError {
  return new BffError('invalid_token', { cause: new Error(reason) });
}
