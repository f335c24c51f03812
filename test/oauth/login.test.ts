import { finishLogin } from '../../src/oauth/login/login.ts';
import { hang } from '../support/upstream/responses.ts';
import { SmallIssuer } from './small-issuer.ts';

const secrets = {
  state: 'state',
  nonce: 'nonce',
  codeVerifier: 'v'.repeat(43),
  redirectUri: 'http://localhost/bff/callback',
};
const response = new URLSearchParams({ code: 'code', state: 'state' });

async function signInWith(claims: Record<string, unknown>, members: object = {}) {
  await using issuer = await SmallIssuer.start();
  const idToken = await issuer.idToken({ nonce: 'nonce', ...claims });
  issuer.respondWithTokens({ id_token: idToken, ...members });
  return await finishLogin(issuer.provider, secrets, response, Date.now());
}

describe('a sign-in', () => {
  it.each([
    [1_900_000_000, 1_900_000_000_000],
    [1, 1000],
    ['1900000000', undefined],
    [true, undefined],
    [0, undefined],
    [-5, undefined],
    [undefined, undefined],
  ])('says when the provider’s session ends: session_expiry %j', async (claim, expiry) => {
    const signIn = await signInWith({ session_expiry: claim });
    expect(signIn.sessionExpiry).toBe(expiry);
    expect(signIn.claims).toEqual({ sub: 'alice' });
  });

  it('says when its refresh token ends', async () => {
    const began = Date.now();
    const { tokens } = await signInWith({}, { refresh_token: 'r', refresh_expires_in: 60 });
    expect(tokens.refreshExpiresAt).toBeGreaterThanOrEqual(began + 60_000);
    expect(tokens.refreshExpiresAt).toBeLessThanOrEqual(Date.now() + 60_000);
  });

  it('does not wait for a provider that hangs', async () => {
    await using issuer = await SmallIssuer.start();
    await issuer.provider.configuration();
    issuer.server.handler = hang();
    const began = performance.now();
    await expect(finishLogin(issuer.provider, secrets, response, 0)).rejects.toMatchObject({
      code: 'provider_unavailable',
    });
    expect(performance.now() - began).toBeLessThan(2000);
  });
});
