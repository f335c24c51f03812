import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
} from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import {
  type Configuration,
  type CryptoKey,
  type DPoPOptions,
  getDPoPHandle,
  modifyAssertion,
} from 'openid-client';

/**
 * The private P-256 JWK that the tokens of one sign-in are bound to. It is stored with these
 * tokens.
 */
export interface DpopKey {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly d: string;
}

/** The algorithm of DPoP proofs. Every server that supports DPoP supports it. */
export const dpopAlgorithm = 'ES256';

/** Generates a DPoP key for one sign-in. */
export function newDpopKey(): DpopKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ format: 'jwk' }) as unknown as DpopKey;
}

/**
 * The JWK thumbprint of a key (RFC 7638). As `dpop_jkt` it binds a code to the key (RFC 9449 §10).
 */
export function thumbprintOf({ crv, kty, x, y }: DpopKey): string {
  return base64urlHash(JSON.stringify({ crv, kty, x, y }));
}

/** The maximum number of servers whose nonces are kept. The oldest entry is dropped first. */
const mostServers = 100;

/** The newest DPoP nonce of each server, by origin (RFC 9449 §8.2, §9). */
export class DpopNonces {
  readonly #nonces = new Map<string, string>();

  /** The newest nonce of this origin, or `undefined` if the server has not sent one. */
  of(origin: string): string | undefined {
    return this.#nonces.get(origin);
  }

  /** Stores the `DPoP-Nonce` of a response. Does nothing if the response has none. */
  update(origin: string, nonce: string | readonly string[] | null | undefined): void {
    if (typeof nonce !== 'string' || nonce === this.#nonces.get(origin)) return;
    this.#nonces.delete(origin);
    const [oldest] = this.#nonces.keys();
    if (oldest !== undefined && this.#nonces.size >= mostServers) this.#nonces.delete(oldest);
    this.#nonces.set(origin, nonce);
  }
}

/** A request that a DPoP proof is made for. */
export interface ProvenRequest {
  readonly method: string;
  /** The URL without query and fragment. */
  readonly target: string;
  readonly accessToken: string;
  /** Optional. Set if the server is known to require a nonce. */
  readonly nonce?: string | undefined;
  /** The current time in epoch milliseconds. */
  readonly now: number;
}

/** Creates a proof that is valid for one request to a resource server (RFC 9449 §4.2). */
export function dpopProof(key: DpopKey, request: ProvenRequest): string {
  const prover = proverOf(key);
  const payload = JSON.stringify({
    jti: randomUUID(),
    htm: request.method,
    htu: request.target,
    iat: Math.floor(request.now / 1000),
    ath: prover.hashOf(request.accessToken),
    nonce: request.nonce,
  });
  const input = `${prover.header}.${Buffer.from(payload).toString('base64url')}`;
  const signature = sign('sha256', Buffer.from(input), prover.signingKey);
  return `${input}.${signature.toString('base64url')}`;
}

/**
 * Whether a server refused a request because the proof needs a nonce. The response contains the
 * nonce to use (RFC 9449 §9).
 */
export function requiresNonce(refusal: IncomingHttpHeaders): boolean {
  // Node.js joins repeated header fields with commas.
  const challenges = String(refusal['www-authenticate'] ?? '');
  const scheme = challenges.search(/\bDPoP\b/i);
  // A single regular expression would take quadratic time: it rescans the rest at every match.
  return scheme >= 0 && /\berror="?use_dpop_nonce\b/i.test(challenges.slice(scheme));
}

/**
 * Creates the options with which `openid-client` adds DPoP proofs to its requests. Empty without a
 * key.
 */
export function dpopOptions(
  configuration: Configuration,
  key: DpopKey | undefined,
  nonces: DpopNonces,
): DPoPOptions {
  if (!key) return {};
  const { signingKey } = proverOf(key);
  const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' };
  const keyPair = {
    privateKey: signingKey.key.toCryptoKey(ecdsa, false, ['sign']) as CryptoKey,
    publicKey: createPublicKey(signingKey.key).toCryptoKey(ecdsa, true, ['verify']) as CryptoKey,
  };
  const handle = getDPoPHandle(configuration, keyPair, {
    // The library keeps nonces per key. Ours are kept per server and shared by all keys.
    [modifyAssertion]: (_header, payload) => {
      const nonce = nonces.of(new URL(String(payload['htu'])).origin);
      if (nonce !== undefined) payload['nonce'] = nonce;
    },
  });
  return { DPoP: handle };
}

/**
 * The parts that all proofs of one key share. They are computed once and cached for the session.
 */
class Prover {
  readonly signingKey: { readonly key: KeyObject; readonly dsaEncoding: 'ieee-p1363' };
  readonly header: string;
  #accessToken = '';
  #hash = '';

  constructor(key: DpopKey) {
    const { kty, crv, x, y } = key;
    const header = { typ: 'dpop+jwt', alg: dpopAlgorithm, jwk: { kty, crv, x, y } };
    this.header = Buffer.from(JSON.stringify(header)).toString('base64url');
    this.signingKey = {
      key: createPrivateKey({ key: { ...key }, format: 'jwk' }),
      dsaEncoding: 'ieee-p1363',
    };
  }

  hashOf(accessToken: string): string {
    if (accessToken !== this.#accessToken) {
      this.#accessToken = accessToken;
      this.#hash = base64urlHash(accessToken);
    }
    return this.#hash;
  }
}

const provers = new WeakMap<DpopKey, Prover>();

function proverOf(key: DpopKey): Prover {
  const existing = provers.get(key);
  if (existing) return existing;
  const prover = new Prover(key);
  provers.set(key, prover);
  return prover;
}

function base64urlHash(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
