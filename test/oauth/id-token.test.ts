import { createHash } from 'node:crypto';
import { UnsecuredJWT } from 'jose';
import { checkFreshness, checkIdToken } from '../../src/oauth/login/id-token.ts';

const now = 1_700_000_000_000;
const seconds = now / 1000;
const claims = { iss: 'i', sub: 's', aud: 'client', iat: seconds, exp: seconds + 60 };

function withAlgorithm(alg: string): string {
  const [, payload] = new UnsecuredJWT(claims).encode().split('.');
  return `${Buffer.from(JSON.stringify({ alg })).toString('base64url')}.${payload}.`;
}

const check =
  (changes: Record<string, unknown>, alg = 'RS256') =>
  () =>
    checkIdToken({ ...claims, ...changes } as never, {
      encoded: withAlgorithm(alg),
      accessToken: 'token',
      clientId: 'client',
      now,
    });

const half = (hash: string) => {
  const digest = createHash(hash).update('token').digest();
  return digest.subarray(0, digest.length / 2).toString('base64url');
};

describe('an ID token', () => {
  it.each([
    ['nothing more', {}],
    ['us as the authorized party', { azp: 'client' }],
    ['a clock a little ahead', { iat: seconds + 60 }],
    ['an old iat', { iat: seconds - 3600 }],
  ])('with %s is accepted', (_, changes) => {
    expect(check(changes)).not.toThrow();
  });

  it.each([
    ['another authorized party', { azp: 'other' }],
    ['an authorized party of another type', { azp: ['client'] }],
    ['an iat in an hour', { iat: seconds + 3600 }],
    ['the hash of another access token', { at_hash: 'abc' }],
    ['an empty hash', { at_hash: '' }],
    ['the whole hash', { at_hash: createHash('sha256').update('token').digest('base64url') }],
  ])('with %s fails the sign-in', (_, changes) => {
    expect(check(changes)).toThrow(expect.objectContaining({ code: 'login_failed', status: 502 }));
  });

  it.each([
    ['RS256', 'sha256'],
    ['ES384', 'sha384'],
    ['PS512', 'sha512'],
    ['EdDSA', 'sha512'],
    ['Ed25519', 'sha512'],
  ])('signed with %s is bound to its access token by %s', (alg, hash) => {
    expect(check({ at_hash: half(hash) }, alg)).not.toThrow();
    const other = hash === 'sha256' ? 'sha512' : 'sha256';
    expect(check({ at_hash: half(other) }, alg)).toThrow(
      expect.objectContaining({ code: 'login_failed' }),
    );
  });
});

describe('an ID token of a sign-in', () => {
  const day = 24 * 3600;
  const fresh = (changes: object) => () => checkFreshness({ ...claims, ...changes }, now);

  it.each([
    ['now', {}],
    ['a day ago', { iat: seconds - day }],
    ['after an authentication long ago', { auth_time: seconds - 300 * day }],
    ['after an authentication by a clock a little ahead', { auth_time: seconds + 60 }],
  ])('made %s is accepted', (_, changes) => {
    expect(fresh(changes)).not.toThrow();
  });

  it.each([
    ['more than a day ago', { iat: seconds - day - 1 }],
    ['a year ago', { iat: seconds - 365 * day }],
    ['at the beginning of time', { iat: 0 }],
    ['after an authentication in an hour', { auth_time: seconds + 3600 }],
  ])('made %s fails the sign-in', (_, changes) => {
    expect(fresh(changes)).toThrow(expect.objectContaining({ code: 'login_failed' }));
  });
});
