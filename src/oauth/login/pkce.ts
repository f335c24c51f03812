import { calculatePKCECodeChallenge, randomPKCECodeVerifier } from 'openid-client';

/** A code verifier and its challenge (RFC 7636 §4.1–4.3). */
export interface PkcePair {
  /** 43 unreserved characters from 256 random bits. Send it to the token endpoint only. */
  readonly codeVerifier: string;
  /** `BASE64URL(SHA-256(codeVerifier))`, without padding. */
  readonly codeChallenge: string;
  /** Always `S256`. `plain` is not supported (RFC 9700 §2.1.1). */
  readonly codeChallengeMethod: 'S256';
}

/** Generates a new pair. Use a pair for one authorization request only. */
export async function createPkcePair(): Promise<PkcePair> {
  const codeVerifier = randomPKCECodeVerifier();
  const codeChallenge = await calculatePKCECodeChallenge(codeVerifier);
  return { codeVerifier, codeChallenge, codeChallengeMethod: 'S256' };
}
