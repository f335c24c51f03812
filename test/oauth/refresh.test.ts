import { BffError } from '../../src/errors.ts';
import { refreshTokens, retryAfterOf } from '../../src/oauth/tokens/refresh.ts';
import type { TokenSet } from '../../src/oauth/tokens/token-set.ts';
import { respondWith, hang, hangUp, slowly, type Handler } from '../support/upstream/responses.ts';
import { SmallIssuer } from './small-issuer.ts';

const before: TokenSet = {
  accessToken: 'stale',
  obtainedAt: 0,
  refreshToken: 'refresh',
  refreshExpiresAt: 5000,
  // Of another sign-in, without a nonce.
  idToken: 'e30.e30.e30',
  scope: 'openid',
};
const subject = { sub: 'alice', tokens: before };

describe('a refresh', () => {
  it('keeps what the response leaves out', async () => {
    await using issuer = await SmallIssuer.start();
    issuer.respondWithTokens({});
    await expect(refreshTokens(issuer.provider, subject, 1000)).resolves.toEqual({
      kind: 'refreshed',
      tokens: { ...before, accessToken: 'fresh', obtainedAt: 1000 },
    });
  });

  it.each([
    [1_900_000_000, 1_900_000_000_000],
    [1_900_000_000.5, 1_900_000_000_500],
    ['1900000000', undefined],
    [0, undefined],
    [-1, undefined],
    [1e300, undefined],
    [null, undefined],
    [undefined, undefined],
    [{}, undefined],
  ])('says when the provider’s session ends: session_expiry %j', async (claim, expiry) => {
    await using issuer = await SmallIssuer.start();
    issuer.respondWithTokens({
      id_token: await issuer.idToken({ session_expiry: claim as never }),
    });
    const outcome = await refreshTokens(issuer.provider, subject, Date.now());
    expect(outcome.kind).toBe('refreshed');
    expect('sessionExpiry' in outcome ? outcome.sessionExpiry : undefined).toBe(expiry);
  });

  it.each<readonly [string, Handler, 'provider' | 'session', number | undefined]>([
    ['is cut off', hangUp(), 'provider', undefined],
    ['takes too long', hang(), 'provider', undefined],
    ['is 500', respondWith(500), 'provider', undefined],
    ['is 503', respondWith(503, '', { 'retry-after': '9' }), 'provider', 9],
    ['is 429', respondWith(429, '', { 'retry-after': '9' }), 'provider', 9],
    ['is 401 invalid_client', respondWith(401, { error: 'invalid_client' }), 'provider', undefined],
    [
      'is 401 with a challenge',
      respondWith(401, { error: 'invalid_client' }, { 'www-authenticate': 'Basic realm="x"' }),
      'provider',
      undefined,
    ],
    ['is invalid_request', respondWith(400, { error: 'invalid_request' }), 'session', undefined],
    ['is HTML', respondWith(200, '<html>'), 'session', undefined],
    ['is an empty object', respondWith(200, {}), 'session', undefined],
    ['is a redirect', respondWith(302, '', { location: '/' }), 'session', undefined],
  ])(
    'whose response %s fails, and names whom that concerns',
    async (_, handler, concerns, pause) => {
      await using issuer = await SmallIssuer.start();
      issuer.token = handler;
      const outcome = await refreshTokens(issuer.provider, subject, 0);
      expect(outcome).toMatchObject({
        kind: 'failed',
        concerns,
        error: { code: 'provider_unavailable' },
      });
      expect(retryAfterOf((outcome as { error: BffError }).error)).toBe(pause);
    },
  );

  it('waits for a provider that is slow to be discovered, as only it does', async () => {
    await using issuer = await SmallIssuer.start();
    const { handler } = issuer.server;
    const metadata = slowly(2000, handler);
    issuer.server.handler = (...call) =>
      (call[0].url?.startsWith('/.well-known') ? metadata : handler)(...call);
    issuer.respondWithTokens({});
    const outcome = await refreshTokens(issuer.provider, subject, 0);
    expect(outcome.kind).toBe('refreshed');
  });

  it('fails for all callers while the provider cannot be discovered', async () => {
    await using issuer = await SmallIssuer.start();
    issuer.server.handler = respondWith(503);
    await expect(refreshTokens(issuer.provider, subject, 0)).resolves.toMatchObject({
      kind: 'failed',
      concerns: 'provider',
    });
  });

  it.each([
    ['the grant is over', respondWith(400, { error: 'invalid_grant' }), subject, 'invalid_grant'],
    [
      'there is no refresh token',
      respondWith(200, {}),
      { ...subject, tokens: { accessToken: 'a', obtainedAt: 0 } },
      'there is no refresh token',
    ],
  ] as const)('ends the session when %s', async (_, handler, whose, reason) => {
    await using issuer = await SmallIssuer.start();
    issuer.token = handler;
    await expect(refreshTokens(issuer.provider, whose, 0)).resolves.toEqual({
      kind: 'ended',
      reason,
    });
  });

  it('ends the session when the tokens are of another user', async () => {
    await using issuer = await SmallIssuer.start();
    issuer.respondWithTokens({ id_token: await issuer.idToken({ sub: 'mallory' }) });
    await expect(refreshTokens(issuer.provider, subject, Date.now())).resolves.toEqual({
      kind: 'ended',
      reason: 'the user has changed',
    });
  });

  it.each([{ auth_time: 2000 }, { auth_time: 0 }, {}])(
    'may bring an ID token with any auth_time: %j',
    async (claims) => {
      await using issuer = await SmallIssuer.start();
      issuer.respondWithTokens({ id_token: await issuer.idToken(claims) });
      const whose = { ...subject, claims: { sub: 'alice', auth_time: 1000 } };
      const outcome = await refreshTokens(issuer.provider, whose, Date.now());
      expect(outcome.kind).toBe('refreshed');
    },
  );

  it('does not believe an ID token that another key signed', async () => {
    await using issuer = await SmallIssuer.start();
    const [header, , signature] = (await issuer.idToken()).split('.');
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: issuer.server.url,
      aud: 'client',
      sub: 'mallory',
      iat: now,
      exp: now + 60,
    };
    const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
    issuer.respondWithTokens({ id_token: `${header}.${payload}.${signature}` });
    await expect(refreshTokens(issuer.provider, subject, Date.now())).resolves.toMatchObject({
      kind: 'failed',
      concerns: 'session',
    });
  });
});
