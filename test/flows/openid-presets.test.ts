import { startBff, type BffOverrides } from '../support/bff/bff.ts';
import { beginLogin, whoIs } from './steps.ts';

/**
 * The authorization request of a login with this preset, which stands for the authorization server
 * of the test.
 */
async function requestOf(
  provider: BffOverrides['provider'],
  parameters: Record<string, string> = {},
): Promise<Record<string, string>> {
  await using bff = await startBff({ provider });
  const { request } = await beginLogin(bff, bff.browser(), parameters);
  return Object.fromEntries(request.searchParams);
}

describe('a preset of an OpenID provider', () => {
  it('google requests refresh tokens in Google’s own way, where offline_access is requested', async () => {
    const scopes = ['openid', 'email', 'offline_access'];
    const request = await requestOf({ preset: 'google', scopes });
    expect(request).toMatchObject({
      scope: 'openid email',
      access_type: 'offline',
      prompt: 'consent',
      nonce: expect.any(String),
    });
  });

  it('google requests none otherwise', async () => {
    const request = await requestOf({ preset: 'google', scopes: ['openid'] });
    expect(request).not.toHaveProperty('access_type');
    expect(request).not.toHaveProperty('prompt');
  });

  it('google lets a login choose its own prompt', async () => {
    const provider = { preset: 'google', scopes: ['openid', 'offline_access'] } as const;
    const request = await requestOf(provider, { prompt: 'select_account' });
    expect(request).toMatchObject({ access_type: 'offline', prompt: 'select_account' });
  });

  it.each([
    ['keycloak', 'kc_idp_hint'],
    ['entra', 'domain_hint'],
    ['okta', 'idp'],
  ] as const)('%s passes on %s, and no parameter that is not allowed', async (preset, name) => {
    const request = await requestOf({ preset }, { [name]: 'x', y: 'z' });
    expect(request).toMatchObject({ [name]: 'x' });
    expect(request).not.toHaveProperty('y');
  });

  it('entra does not call UserInfo, which its tokens for your own API cannot call', async () => {
    await using bff = await startBff({
      provider: { preset: 'entra' },
      authorizationServer: { claimsInIdToken: false },
    });
    const browser = await bff.signedIn();
    await expect(whoIs(browser)).resolves.toBe('alice');
    expect(bff.authorizationServer.requestsTo('userinfo')).toEqual([]);
  });
});
