import { calculatePKCECodeChallenge, randomPKCECodeVerifier } from 'openid-client';

/** A verifier and what may be shown of it before the code is redeemed (RFC 7636 §4.1–4.3). */
export interface PkcePair {
  /**
   * 43 unreserved characters from 256 random bits. It leaves the server only for the token
   * endpoint.
   */
  readonly codeVerifier: string;
  /** `BASE64URL(SHA-256(codeVerifier))`, without padding. */
  readonly codeChallenge: string;
  /** Always `S256`; `plain` does not exist here (RFC 9700 §2.1.1). */
  readonly codeChallengeMethod: 'S256';
}

/** A new pair. Make one for every authorization request; a pair is never used twice. */
export async function createPkcePair(): Promise<PkcePair> {
  const codeVerifier = randomPKCECodeVerifier();
  const codeChallenge = await calculatePKCECodeChallenge(codeVerifier);
  return { codeVerifier, codeChallenge, codeChallengeMethod: 'S256' };
}
