import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import {
  DpopNonces,
  dpopProof,
  newDpopKey,
  thumbprintOf,
  requiresNonce,
} from '../../src/oauth/client/dpop.ts';

describe('a DPoP key', () => {
  it('makes proofs that other libraries can verify', async () => {
    const [key, now] = [newDpopKey(), Date.now()];
    const request = { method: 'GET', target: 'https://api.test/x', accessToken: 'abc', now };
    const proofs = [dpopProof(key, request), dpopProof(key, { ...request, nonce: 'n' })];
    const verified = await Promise.all(proofs.map((proof) => jwtVerify(proof, EmbeddedJWK)));
    expect(verified.map(({ payload }) => payload)).toEqual([
      {
        jti: expect.any(String),
        htm: 'GET',
        htu: 'https://api.test/x',
        iat: Math.floor(now / 1000),
        // The example's own arithmetic: BASE64URL(SHA-256("abc")).
        ath: 'ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0',
      },
      expect.objectContaining({ nonce: 'n' }),
    ]);
    expect(verified[0]?.payload.jti).not.toBe(verified[1]?.payload.jti);
    expect(await calculateJwkThumbprint(verified[0]?.protectedHeader.jwk ?? {})).toBe(
      thumbprintOf(key),
    );
    expect(verified[0]?.protectedHeader.jwk).not.toHaveProperty('d');
  });

  it('hashes the token of each proof, also after another', async () => {
    const [key, now] = [newDpopKey(), Date.now()];
    const hashes = ['a', 'b', 'a'].map(async (accessToken) => {
      const proof = dpopProof(key, { method: 'GET', target: 'https://x', accessToken, now });
      return (await jwtVerify(proof, EmbeddedJWK)).payload['ath'];
    });
    const [first, second, third] = await Promise.all(hashes);
    expect(first).toBe(third);
    expect(first).not.toBe(second);
  });
});

describe('nonces', () => {
  it('are kept for each server, the newest one', () => {
    const nonces = new DpopNonces();
    nonces.update('https://a', 'one');
    nonces.update('https://a', 'two');
    nonces.update('https://b', 'three');
    for (const nothing of [undefined, null, ['x', 'y']]) nonces.update('https://a', nothing);
    expect(['https://a', 'https://b', 'https://c'].map((origin) => nonces.of(origin))).toEqual([
      'two',
      'three',
      undefined,
    ]);
  });

  it('do not pile up', () => {
    const nonces = new DpopNonces();
    for (let index = 0; index < 150; index += 1) nonces.update(`https://${index}`, 'n');
    expect([nonces.of('https://49'), nonces.of('https://50')]).toEqual([undefined, 'n']);
  });

  it.each([
    ['DPoP error="use_dpop_nonce", algs="ES256"', true],
    ['DPoP realm="x", error=use_dpop_nonce', true],
    ['Bearer error="x", DPoP error="use_dpop_nonce"', true],
    ['Bearer error="use_dpop_nonce"', false],
    ['DPoP error="invalid_token"', false],
    [['Bearer', 'DPoP error="use_dpop_nonce"'], true],
    [undefined, false],
  ])('are wanted by a challenge: %s %s', (challenge, wanted) => {
    expect(requiresNonce({ 'www-authenticate': challenge } as never)).toBe(wanted);
  });

  it('are looked for in any challenge of an upstream in no time', () => {
    const hostile = 'DPoP error="'.repeat(20_000);
    const before = process.cpuUsage();
    expect(requiresNonce({ 'www-authenticate': hostile })).toBe(false);
    expect(process.cpuUsage(before).user).toBeLessThan(100_000);
  });
});
