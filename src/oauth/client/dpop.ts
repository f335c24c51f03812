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
 * The key that the tokens of one sign-in are bound to, a private P-256 JWK. It is kept where they
 * are.
 */
export interface DpopKey {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly d: string;
}

/** What a key signs with; every server with DPoP knows it. */
export const dpopAlgorithm = 'ES256';

/** A new key, for one sign-in. */
export function newDpopKey(): DpopKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ format: 'jwk' }) as unknown as DpopKey;
}

/** The name of a key, which binds a code to it: `dpop_jkt` (RFC 9449 §10, RFC 7638). */
export function thumbprintOf({ crv, kty, x, y }: DpopKey): string {
  return base64urlHash(JSON.stringify({ crv, kty, x, y }));
}

/** More servers than anybody has; the oldest is forgotten. */
const mostServers = 100;

/** The newest nonce of each server that wants them in proofs, by origin (RFC 9449 §8.2, §9). */
export class DpopNonces {
  readonly #nonces = new Map<string, string>();

  /** Absent: the server has not said any. */
  of(origin: string): string | undefined {
    return this.#nonces.get(origin);
  }

  /** Notes what an answer's `DPoP-Nonce` says. Absent: nothing new. */
  learn(origin: string, nonce: string | readonly string[] | null | undefined): void {
    if (typeof nonce !== 'string' || nonce === this.#nonces.get(origin)) return;
    this.#nonces.delete(origin);
    const [oldest] = this.#nonces.keys();
    if (oldest !== undefined && this.#nonces.size >= mostServers) this.#nonces.delete(oldest);
    this.#nonces.set(origin, nonce);
  }
}

/** One request that a proof is for. */
export interface ProvenRequest {
  readonly method: string;
  /** Without query and fragment. */
  readonly target: string;
  readonly accessToken: string;
  /** Absent: the server wants none, as far as is known. */
  readonly nonce?: string | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** A proof for one request to a resource server, good for that one alone (RFC 9449 §4.2). */
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
 * Whether a server refused a request because it wants a nonce in its proof, which it has named (RFC
 * 9449 §9).
 */
export function wantsNonce(refusal: IncomingHttpHeaders): boolean {
  // Node.js joins several header fields with commas.
  const challenges = String(refusal['www-authenticate'] ?? '');
  const scheme = challenges.search(/\bDPoP\b/i);
  // One expression for both would search to the end of the challenge from every word of it.
  return scheme >= 0 && /\berror="?use_dpop_nonce\b/i.test(challenges.slice(scheme));
}

/** What makes `openid-client` prove that we have the key. Absent key: nothing does. */
export function provingKey(
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
    // The library remembers nonces for one key; ours are for the server, whoever asks it next.
    [modifyAssertion]: (_header, payload) => {
      const nonce = nonces.of(new URL(String(payload['htu'])).origin);
      if (nonce !== undefined) payload['nonce'] = nonce;
    },
  });
  return { DPoP: handle };
}

/**
 * What is the same in every proof by one key, worked out once for as long as its session is
 * remembered.
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
  const known = provers.get(key);
  if (known) return known;
  const prover = new Prover(key);
  provers.set(key, prover);
  return prover;
}

function base64urlHash(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
