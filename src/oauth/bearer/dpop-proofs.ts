import { hash } from 'node:crypto';
import { calculateJwkThumbprint, compactVerify, type JWK } from 'jose';
import type { Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import { decodeJwt } from './jwt-access-token.ts';
import { UsedProofs } from './used-proofs.ts';

/** The signature algorithms of proofs that are accepted (RFC 9449 §5.1). */
export const dpopAlgorithms = ['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256'] as const;

/** The maximum length of a proof, in characters. */
const longestProof = 8 * 1024;

/** The maximum age of a proof, in milliseconds. */
const oldest = 60 * 1000;

/** How far the client's clock may be ahead of ours, in milliseconds. */
const clockTolerance = 10 * 1000;

/** The maximum length of a `jti`, in characters. */
const longestId = 256;

/** Members of a JWK that only private and symmetric keys have (RFC 7518 §6.2.2, §6.3.2, §6.4.1). */
const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

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
  readonly #used: UsedProofs;

  constructor(private readonly clock: Clock) {
    this.#used = new UsedProofs(oldest + clockTolerance, clock);
  }

  /**
   * Verifies the value of the `DPoP` header: all rules of RFC 9449 §4.3. A proof is accepted for
   * one minute, and once in this process. Rejects with `invalid_token`, and with `rate_limited` if
   * the key made more proofs than can be remembered.
   */
  async verify(proof: string | undefined, request: BoundRequest): Promise<void> {
    const { header, claims } = decode(proof);
    const jwk = checkHeader(header);
    const id = checkClaims(claims, request, this.clock());
    await checkKey(jwk, request.keyThumbprint);
    await checkSignature(proof ?? '', jwk);
    // After the signature, so that only the owner of the key fills the memory.
    if (!this.#used.add(request.keyThumbprint, id)) throw invalidProof('it was used before (jti)');
  }
}

/** Node.js joins repeated header fields with commas, which no JWT contains. */
function decode(proof: string | undefined): { header: JsonObject; claims: JsonObject } {
  if (!proof) throw invalidProof('it is missing, and the access token is bound to a key');
  if (proof.length > longestProof)
    throw invalidProof(`it is longer than ${longestProof} characters`);
  const { header, claims } = decodeJwt(proof) ?? {};
  if (!header || !claims) throw invalidProof('the header is not exactly one JWT');
  return { header, claims };
}

/** Returns the public key that the proof is signed with. It is not trusted yet. */
function checkHeader({ typ, alg, crit, jwk }: JsonObject): JWK {
  if (typ !== 'dpop+jwt') throw invalidProof('typ is not dpop+jwt');
  if (!dpopAlgorithms.some((accepted) => accepted === alg))
    throw invalidProof(`alg is none of ${dpopAlgorithms.join(', ')}`);
  if (crit !== undefined) throw invalidProof('crit demands extensions that are not supported');
  if (!isJsonObject(jwk)) throw invalidProof('jwk is no object');
  if (secretMembers.some((name) => Object.hasOwn(jwk, name)))
    throw invalidProof('jwk is not a public key');
  return jwk;
}

/** Checks that the proof is for this request, and returns its `jti`. */
function checkClaims(claims: JsonObject, request: BoundRequest, now: number): string {
  const { jti, htm, htu, iat, ath } = claims;
  if (typeof jti !== 'string' || jti === '' || jti.length > longestId)
    throw invalidProof(`jti is no text of 1 to ${longestId} characters`);
  if (htm !== request.method) throw invalidProof(`htm is not ${request.method}`);
  const target = normalizedUrl(request.url);
  if (typeof htu !== 'string' || target === undefined || normalizedUrl(htu) !== target)
    throw invalidProof('htu is not the URL of the request');
  if (typeof iat !== 'number') throw invalidProof('iat is no time');
  if (iat * 1000 < now - oldest) throw invalidProof('it is older than 60 seconds (iat)');
  if (iat * 1000 > now + clockTolerance) throw invalidProof('it is from the future (iat)');
  if (ath !== hash('sha256', request.accessToken, 'base64url'))
    throw invalidProof('it is for another access token (ath)');
  return jti;
}

/**
 * Returns a URL without query and fragment, normalized by syntax and scheme (RFC 3986 §6.2.2,
 * §6.2.3). `undefined` if it is no URL.
 */
function normalizedUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url) return undefined;
  url.search = '';
  url.hash = '';
  return url.href.replaceAll(/%[\da-f]{2}/gi, (encoded) => {
    const decoded = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
    return /[\w.~-]/.test(decoded) ? decoded : encoded.toUpperCase();
  });
}

async function checkKey(jwk: JWK, keyThumbprint: string): Promise<void> {
  const thumbprint = await calculateJwkThumbprint(jwk).catch((error: unknown) => {
    throw invalidProof('jwk is no key', error);
  });
  if (thumbprint !== keyThumbprint)
    throw invalidProof('it is signed by another key than the access token is bound to');
}

async function checkSignature(proof: string, jwk: JWK): Promise<void> {
  try {
    await compactVerify(proof, jwk, { algorithms: [...dpopAlgorithms] });
  } catch (error) {
    throw invalidProof('its signature does not hold', error);
  }
}

function invalidProof(what: string, cause?: unknown): BffError {
  return new BffError('invalid_token', { cause: new Error(`DPoP proof: ${what}`, { cause }) });
}
