import { createHash } from 'node:crypto';
import {
  calculateJwkThumbprint,
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
} from 'jose';
import { DpopProofs } from '../../../src/oauth/bearer/dpop-proofs.ts';
import { UsedProofs } from '../../../src/oauth/bearer/used-proofs.ts';
import { dpopProof, newDpopKey, thumbprintOf } from '../../../src/oauth/client/dpop.ts';
import { frozenClock } from '../../support/time/clock.ts';
import { refusalOf } from './token-issuer.ts';

const accessToken = 'access-token';
const url = 'https://app.example.com/mcp/a%20b';
const ath = createHash('sha256').update(accessToken).digest('base64url');

const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
const jwk = await exportJWK(publicKey);
const privateJwk = await exportJWK(privateKey);
const keyThumbprint = await calculateJwkThumbprint(jwk);

const request = { method: 'POST', url, accessToken, keyThumbprint };

/** Changes to a proof. A member that is `undefined` is removed. */
interface ProofChanges {
  readonly header?: object;
  readonly claims?: JWTPayload;
  readonly key?: CryptoKey | Uint8Array;
}

describe('a DPoP proof', () => {
  const clock = frozenClock();
  let proofs: DpopProofs;
  let count = 0;
  beforeEach(() => {
    proofs = new DpopProofs(clock.now);
  });

  const seconds = () => clock.now() / 1000;

  /** A proof, valid for `request` without changes. */
  function proof({ header, claims, key = privateKey }: ProofChanges = {}): Promise<string> {
    return new SignJWT({
      jti: `proof-${count++}`,
      htm: 'POST',
      htu: url,
      iat: seconds(),
      ath,
      ...claims,
    })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk, ...header } as never)
      .sign(key, { crit: { x: true } });
  }

  it('passes as this BFF itself makes it', async () => {
    const key = newDpopKey();
    const made = dpopProof(key, { method: 'GET', target: url, accessToken, now: clock.now() });
    const sent = { ...request, method: 'GET', keyThumbprint: thumbprintOf(key) };
    await expect(proofs.verify(made, sent)).resolves.toBeUndefined();
  });

  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('may be signed with %s', async (alg) => {
    const keys = await generateKeyPair(alg, { extractable: true });
    const other = await exportJWK(keys.publicKey);
    const made = await proof({ header: { alg, jwk: other }, key: keys.privateKey });
    const thumbprint = await calculateJwkThumbprint(other);
    const sent = { ...request, keyThumbprint: thumbprint };
    await expect(proofs.verify(made, sent)).resolves.toBeUndefined();
  });

  it.each([
    ['without query and fragment', url],
    ['with the query of the request', `${url}?a=b`],
    ['with a fragment', `${url}#x`],
    ['with the default port', 'https://app.example.com:443/mcp/a%20b'],
    ['with a host in capitals', 'HTTPS://APP.example.com/mcp/a%20b'],
    ['with dots', 'https://app.example.com/x/../mcp/./a%20b'],
    ['with letters that are percent-encoded', 'https://app.example.com/%6dcp/a%20b'],
  ])('may name the URL %s', async (_, htu) => {
    const sent = { ...request, url: `${url}?q=1` };
    await expect(proofs.verify(await proof({ claims: { htu } }), sent)).resolves.toBeUndefined();
  });

  it('may be a minute old, or ten seconds ahead', async () => {
    for (const iat of [seconds() - 60, seconds() + 10])
      await expect(
        proofs.verify(await proof({ claims: { iat } }), request),
      ).resolves.toBeUndefined();
  });

  it('is missed for a token that is bound to a key', async () => {
    for (const missing of [undefined, ''])
      await expect(refusalOf(() => proofs.verify(missing, request))).resolves.toContain(
        'invalid_token: DPoP proof: it is missing',
      );
  });

  it.each<readonly [string, string, ProofChanges]>([
    ['another type', 'typ is not dpop+jwt', { header: { typ: 'JWT' } }],
    ['no type', 'typ is not dpop+jwt', { header: { typ: undefined } }],
    ['an unknown critical header', 'crit', { header: { crit: ['x'], x: 1 } }],
    ['no key', 'jwk is no object', { header: { jwk: undefined } }],
    ['a private key', 'jwk is not a public key', { header: { jwk: privateJwk } }],
    ['a symmetric key', 'not a public key', { header: { jwk: { kty: 'oct', k: 'AAAA' } } }],
    ['an unknown kind of key', 'jwk is no key', { header: { jwk: { kty: 'x' } } }],
    ['a key of another algorithm', 'does not hold', { header: { jwk: { ...jwk, alg: 'ES384' } } }],
    ['no jti', 'jti is no text', { claims: { jti: undefined } as never }],
    ['a jti of 257 characters', 'jti is no text', { claims: { jti: 'a'.repeat(257) } }],
    ['another method', 'htm is not POST', { claims: { htm: 'GET' } }],
    ['the method in another case', 'htm is not POST', { claims: { htm: 'post' } }],
    ['another path', 'htu is not', { claims: { htu: `${url}/` } }],
    ['another host', 'htu is not', { claims: { htu: 'https://evil.test/mcp/a%20b' } }],
    ['another scheme', 'htu is not', { claims: { htu: 'http://app.example.com/mcp/a%20b' } }],
    ['another port', 'htu is not', { claims: { htu: 'https://app.example.com:444/mcp/a%20b' } }],
    ['a user name', 'htu is not', { claims: { htu: 'https://u@app.example.com/mcp/a%20b' } }],
    ['an encoded slash', 'htu is not', { claims: { htu: 'https://app.example.com/mcp%2Fa%20b' } }],
    ['no URL', 'htu is not', { claims: { htu: 'mcp' } }],
    ['a URL that is no text', 'htu is not', { claims: { htu: [url] } }],
    ['an age of more than a minute', 'older than 60', { claims: { iat: -61 } }],
    ['a time more than ten seconds ahead', 'from the future', { claims: { iat: 11 } }],
    ['no time', 'iat is no time', { claims: { iat: undefined } as never }],
    ['a time as text', 'iat is no time', { claims: { iat: '1' as never } }],
    ['the hash of another token', 'another access token', { claims: { ath: 'x' } }],
    ['no hash of the token', 'another access token', { claims: { ath: undefined } }],
  ])('is refused with %s', async (_, reason, { header, claims = {} }) => {
    const isRelative = typeof claims.iat === 'number';
    const iat = isRelative ? { iat: seconds() + Number(claims.iat) } : {};
    const made = await proof({ ...(header && { header }), claims: { ...claims, ...iat } });
    await expect(refusalOf(() => proofs.verify(made, request))).resolves.toMatch(
      new RegExp(`^invalid_token: DPoP proof: .*${reason.replaceAll('+', '\\+')}`),
    );
  });

  it('is refused if it is signed by another key than the token is bound to', async () => {
    const other = await generateKeyPair('ES256', { extractable: true });
    const header = { jwk: await exportJWK(other.publicKey) };
    const made = await proof({ header, key: other.privateKey });
    await expect(refusalOf(() => proofs.verify(made, request))).resolves.toContain('another key');
    // The key of the token in the header, the signature of another one.
    const forged = await proof({ key: other.privateKey });
    await expect(refusalOf(() => proofs.verify(forged, request))).resolves.toContain('not hold');
  });

  it('is refused with a symmetric signature or none', async () => {
    const secret = Buffer.from(JSON.stringify(jwk));
    const made = await proof({ header: { alg: 'HS256' }, key: secret });
    await expect(refusalOf(() => proofs.verify(made, request))).resolves.toContain('alg is none');
    const [, claims = ''] = (await proof()).split('.');
    const header = { typ: 'dpop+jwt', alg: 'none', jwk };
    const none = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${claims}.`;
    await expect(refusalOf(() => proofs.verify(none, request))).resolves.toContain('alg is none');
  });

  it('is refused if there are two, if it is no JWT, and if it is longer than 8 KB', async () => {
    const two = `${await proof()}, ${await proof()}`;
    for (const value of [two, 'x', 'a.b.c', `${'a'.repeat(8193)}`])
      await expect(refusalOf(() => proofs.verify(value, request))).resolves.toContain(
        'invalid_token: DPoP proof',
      );
  });

  it('is accepted once, also of many requests at the same moment', async () => {
    const made = await proof();
    const calls = Array.from({ length: 20 }, () => refusalOf(() => proofs.verify(made, request)));
    const outcomes = await Promise.all(calls);
    expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome.includes('used before'))).toHaveLength(19);
    clock.advance(59_000);
    await expect(refusalOf(() => proofs.verify(made, request))).resolves.toContain('used before');
  });

  it('of the future is accepted once, until its last moment', async () => {
    const made = await proof({ claims: { iat: seconds() + 10 } });
    await proofs.verify(made, request);
    clock.advance(70_000);
    await expect(refusalOf(() => proofs.verify(made, request))).resolves.toContain('used before');
    clock.advance(1);
    await expect(refusalOf(() => proofs.verify(made, request))).resolves.toContain('older than');
  });

  it('that is refused does not use up its jti', async () => {
    const made = await proof();
    const sent = { ...request, method: 'GET' };
    await expect(refusalOf(() => proofs.verify(made, sent))).resolves.toContain('htm');
    await expect(proofs.verify(made, request)).resolves.toBeUndefined();
  });
});

describe('the memory of used proofs', () => {
  const lifetime = 70_000;
  const clock = frozenClock();

  it('has the same jti of another key as another proof', () => {
    const used = new UsedProofs(lifetime, clock.now);
    expect(used.add('one', 'jti')).toBe(true);
    expect(used.add('other', 'jti')).toBe(true);
    expect(used.add('one', 'jti')).toBe(false);
  });

  it('refuses proofs of a key that fills it, and forgets none that could be used again', () => {
    const used = new UsedProofs(lifetime, clock.now);
    const full = expect.objectContaining({ code: 'rate_limited' });
    for (let index = 0; index < 50_000; index++) used.add('flooding', String(index));
    expect(() => used.add('flooding', 'one more')).toThrow(full);
    expect(used.add('flooding', '0')).toBe(false);
    expect(used.add('other', 'jti')).toBe(true);
    clock.advance(lifetime + 1);
    expect(used.add('flooding', 'one more')).toBe(true);
    expect(used.add('flooding', '0')).toBe(true);
  });

  it('refuses every new proof when it is full', () => {
    const used = new UsedProofs(lifetime, clock.now);
    const full = expect.objectContaining({ code: 'rate_limited' });
    for (let index = 0; index < 200_000; index++) used.add(`key-${index % 10}`, String(index));
    expect(() => used.add('other', 'jti')).toThrow(full);
    expect(used.add('key-0', '0')).toBe(false);
  });
});
