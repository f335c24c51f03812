import { createHash } from 'node:crypto';
import { createPkcePair } from '../../src/oauth/login/pkce.ts';

describe('a PKCE pair', () => {
  it('has a verifier of 43 to 128 unreserved characters and its S256 challenge (RFC 7636 §4.1, §4.2)', async () => {
    const { codeVerifier, codeChallenge, codeChallengeMethod } = await createPkcePair();
    expect(codeVerifier).toMatch(/^[A-Za-z0-9\-._~]{43,128}$/);
    expect(codeChallenge).toBe(createHash('sha256').update(codeVerifier).digest('base64url'));
    expect(codeChallenge).toMatch(/^[\w-]{43}$/);
    expect(codeChallengeMethod).toBe('S256');
  });

  it('is never made twice', async () => {
    const pairs = await Promise.all(Array.from({ length: 1000 }, () => createPkcePair()));
    expect(new Set(pairs.map((pair) => pair.codeVerifier)).size).toBe(1000);
    expect(new Set(pairs.map((pair) => pair.codeChallenge)).size).toBe(1000);
  });
});
