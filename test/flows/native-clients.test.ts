import { randomUUID } from 'node:crypto';
import { ClientHandlesService } from '../../src/session/clients/client-handles.service.ts';
import { type BffOverrides, startBff, type TestBff } from '../support/bff/bff.ts';
import type { Page } from '../support/browser/browser.ts';
import { DpopKey } from '../support/clients/dpop-key.ts';
import {
  type NativeClient,
  startNativeClient,
  type TokenResponse,
} from '../support/clients/native-client.ts';

const overrides: BffOverrides = {
  routes: (usual) => [
    { ...usual, clients: ['browser', 'bearer'], scopes: ['orders'] },
    { ...usual, path: '/mcp', clients: ['bearer'], scopes: ['tools'] },
  ],
  ownAuthorizationServer: {
    clients: [
      { id: 'cli', name: 'Acme CLI', redirectUris: ['http://127.0.0.1/callback'] },
      {
        id: 'app',
        name: 'Acme App',
        redirectUris: ['com.acme.app:/callback', 'https://app.acme.com/cb'],
        scopes: ['orders'],
      },
    ],
  },
};

let bff: TestBff;
let client: NativeClient;
beforeAll(async () => {
  bff = await startBff(overrides);
  client = await startNativeClient(bff);
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await bff.close();
});

/** The parameters of the redirect to the client, of a page that is one. */
function errorAt(page: Page): string | null {
  expect(page.url).toContain(client.redirectUri);
  return new URL(page.url).searchParams.get('error');
}

/** What the BFF reads in an access token. */
const handleOf = ({ access_token: token }: TokenResponse) =>
  bff.app.get(ClientHandlesService).read(token);

const sessionsOf = async (browser = bff.browser()) => {
  await bff.signedIn('alice', browser);
  const response = await browser.fetch('/bff/sessions', { headers: { 'X-CSRF': '1' } });
  return (await response.json()) as { id: string; client?: string }[];
};

describe('a client that signs in', () => {
  it('gets a handle of a session after the consent of its user', async () => {
    const callback = await client.authorize(bff.browser());
    expect(callback.searchParams.get('iss')).toBe(client.issuer);
    expect(callback.searchParams.get('state')).toBe('state-of-the-client');
    const tokens = await client.redeem(callback);
    expect(tokens).toMatchObject({ status: 200, token_type: 'Bearer', expires_in: 600 });
    expect(tokens.scope?.split(' ').toSorted()).toEqual(['orders', 'tools']);
    expect(tokens.access_token).toMatch(/^pxb_[\w-]+$/);
    expect(tokens).not.toHaveProperty('id_token');
  });

  it('sees neither the verifier nor the tokens of the provider, which sees neither of its own', async () => {
    const { authorizationServer } = bff;
    const before = authorizationServer.requestsTo('token').length;
    const callback = await client.authorize(bff.browser());
    const tokens = await client.redeem(callback);
    const [redeemed] = authorizationServer.requestsTo('token').slice(before);
    const verifier = redeemed?.form.get('code_verifier');
    expect(verifier).toMatch(/^[\w.~-]{43,}$/);
    expect(verifier).not.toBe(client.codeVerifier);
    expect(JSON.stringify(tokens)).not.toContain(verifier);
  });

  it('is a session in the list, with the name of the client', async () => {
    await client.signIn();
    const sessions = await sessionsOf();
    expect(sessions.map((session) => session.client)).toContain('Acme CLI');
    expect(sessions.some((session) => !('client' in session))).toBe(true);
  });

  it('neither uses, nor changes, nor ends the session of the browser', async () => {
    const browser = await bff.signedIn('alice');
    const before = browser.cookieHeader();
    const own = (page: string) => page.split('; ').find((cookie) => cookie.startsWith('bff='));
    await client.signIn(browser);
    expect(own(browser.cookieHeader())).toBe(own(before));
    expect((await browser.fetch('/bff/user', { headers: { 'X-CSRF': '1' } })).status).toBe(200);
  });

  it('asks for consent every time, and hears of a denial', async () => {
    const browser = bff.browser();
    await client.authorize(browser);
    const page = await client.begin(browser);
    expect(page.body).toContain('Acme CLI');
    const last = await browser.submit(page, { decision: 'deny' });
    expect(errorAt(last)).toBe('access_denied');
  });

  it('may ask for fewer scopes, with the parameters of OpenID Connect that AppAuth sends', async () => {
    const more = { scope: 'openid offline_access orders', nonce: 'n', acr_values: 'x' };
    const tokens = await client.signIn(bff.browser(), more);
    expect(tokens.scope).toBe('orders');
  });
});

describe('an authorization request', () => {
  const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
  it.each([
    ['without a challenge', { code_challenge: null, code_challenge_method: null }],
    ['with the method plain', { code_challenge_method: 'plain' }],
    ['without a method', { code_challenge_method: null }],
    ['with a challenge of 42 characters', { code_challenge: challenge.slice(1) }],
    ['with a challenge of 44 characters', { code_challenge: `${challenge}A` }],
    ['with a challenge of 128 characters', { code_challenge: 'A'.repeat(128) }],
    ['with a challenge that is no base64url', { code_challenge: challenge.replace('O', '.') }],
  ])('%s is an invalid request, before any sign-in', async (_name, changes) => {
    const page = await client.begin(bff.browser(), changes);
    expect(errorAt(page)).toBe('invalid_request');
    expect(new URL(page.url).searchParams.get('iss')).toBe(client.issuer);
    expect(page.history.some(({ url }) => url.includes('/auth'))).toBe(true);
    expect(page.history.some(({ url }) => url.startsWith(bff.authorizationServer.issuer))).toBe(
      false,
    );
  });

  it.each([
    ['another response type', { response_type: 'none' }, 'unsupported_response_type'],
    ['a resource that is none', { resource: 'https://other.example/' }, 'invalid_target'],
    ['prompt=none', { prompt: 'none' }, 'login_required'],
  ])('with %s gets the error of its RFC', async (_name, changes, error) => {
    expect(errorAt(await client.begin(bff.browser(), changes))).toBe(error);
  });

  it.each([
    ['an unknown client', { client_id: 'nobody' }],
    ['another redirect URI', { redirect_uri: 'http://127.0.0.1:1/other' }],
    ['a redirect URI of another host', { redirect_uri: 'https://evil.example/callback' }],
    ['no redirect URI', { redirect_uri: null }],
  ])('with %s gets a page and no redirect', async (_name, changes) => {
    const page = await client.begin(bff.browser(), changes);
    expect(page.status).toBe(400);
    expect(page.history).toHaveLength(1);
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
  });

  it('cannot ask for scopes beyond those of its client', async () => {
    const page = await bff.browser().navigate(
      client.authorizationUrl({
        client_id: 'app',
        redirect_uri: 'com.acme.app:/callback',
        scope: 'orders tools',
      }),
      { redirect: 'manual' },
    );
    expect(page.headers.get('location')).toMatch(/^com\.acme\.app:\/callback\?error=invalid_scope/);
  });

  it('cannot be finished by another browser', async () => {
    const url = client.authorizationUrl();
    const browser = bff.browser();
    const consent = await browser.navigate(url);
    const other = bff.browser();
    const page = await other.navigate(consent.url);
    expect([page.status, page.body]).toEqual([400, expect.stringContaining('login_expired')]);
    const cookies = browser.cookies().filter(({ name }) => name.startsWith('bff-oauth'));
    for (const { name, value, path } of cookies)
      other.jar.store(`${name}=${value}; Path=${path}`, new URL(bff.url), {
        sameSite: true,
        topLevel: 'no',
      });
    // With the cookies of the request, it has to sign in itself.
    const again = await other.navigate(consent.url, { redirect: 'manual' });
    expect(again.status).toBe(302);
    expect(again.headers.get('location')).toContain(bff.authorizationServer.issuer);
  });

  it('refuses a consent form of another site', async () => {
    const browser = bff.browser();
    const page = await client.begin(browser);
    const forged = await browser.navigate(page.url, {
      form: { decision: 'allow', token: randomUUID() },
      from: 'https://evil.example/',
    });
    expect(forged.status).toBeGreaterThanOrEqual(400);
    const last = await browser.submit(page, { decision: 'allow' });
    expect(last.url).toContain('code=');
  });
});

describe('the token endpoint', () => {
  it.each([
    ['a wrong verifier', { code_verifier: 'A'.repeat(43) }],
    ['no verifier', { code_verifier: null }],
    ['a short verifier', { code_verifier: 'short' }],
    ['a verifier with a forbidden character', { code_verifier: `${'A'.repeat(43)}+` }],
    ['another redirect URI', { redirect_uri: 'http://127.0.0.1:1/callback' }],
    ['the id of another client', { client_id: 'app' }],
    ['an unknown code', { code: 'unknown' }],
  ])('refuses %s as invalid_grant', async (_name, changes) => {
    const callback = await client.authorize(bff.browser());
    const tokens = await client.redeem(callback, changes);
    expect([tokens.status, tokens.error]).toEqual([400, 'invalid_grant']);
  });

  it('redeems a code once, and a second use ends what the first got', async () => {
    const callback = await client.authorize(bff.browser());
    const first = await client.redeem(callback);
    const second = await client.redeem(callback);
    expect([first.status, second.error]).toEqual([200, 'invalid_grant']);
    expect((await client.refresh(first.refresh_token)).error).toBe('invalid_grant');
  });

  it('redeems a code at most once for concurrent requests', async () => {
    const callback = await client.authorize(bff.browser());
    const all = await Promise.all(Array.from({ length: 8 }, () => client.redeem(callback)));
    expect(all.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
    expect(all.every(({ status, error }) => status === 200 || error === 'invalid_grant')).toBe(
      true,
    );
  });

  it('rotates refresh tokens, and a reuse ends the session', async () => {
    const first = await client.signIn();
    const second = await client.refresh(first.refresh_token);
    expect(second.status).toBe(200);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    const third = await client.refresh(second.refresh_token);
    expect(third.status).toBe(200);
    expect((await client.refresh(first.refresh_token)).error).toBe('invalid_grant');
    expect((await client.refresh(third.refresh_token)).error).toBe('invalid_grant');
  });

  it('refuses another client, an unknown grant type and more scopes', async () => {
    const { refresh_token: token } = await client.signIn(bff.browser(), { scope: 'orders' });
    expect((await client.refresh(token, { client_id: 'app' })).error).toBe('invalid_grant');
    expect((await client.refresh(token, { scope: 'orders tools' })).error).toBe('invalid_scope');
    expect((await client.token({ grant_type: 'password' })).error).toBe('unsupported_grant_type');
    expect((await client.refresh(token, { client_id: 'nobody' })).error).toBe('invalid_client');
  });

  it('allows only origins of registered https redirects', async () => {
    const preflight = (origin: string, endpoint = 'token') =>
      fetch(`${client.issuer}/${endpoint}`, {
        method: 'OPTIONS',
        headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
      });
    const allowed = async (response: Promise<Response>) =>
      (await response).headers.get('access-control-allow-origin');
    expect(await allowed(preflight('https://app.acme.com'))).toBe('https://app.acme.com');
    expect(await allowed(preflight('https://app.acme.com', 'revoke'))).toBe('https://app.acme.com');
    expect(await allowed(preflight('https://evil.example'))).toBeNull();
    const grant = { grant_type: 'refresh_token', refresh_token: 'x' };
    const post = (origin: string, id: string) =>
      client.post('token', { client_id: id, ...grant }, { Origin: origin });
    expect(await allowed(post('https://app.acme.com', 'app'))).toBe('https://app.acme.com');
    expect(await allowed(post('https://evil.example', 'app'))).toBeNull();
    expect(await allowed(post('https://evil.example', 'nobody'))).toBeNull();
  });
});

describe('a client with a DPoP key', () => {
  it('gets a handle that is bound to the key, and only the key refreshes it', async () => {
    const [key, other] = [await DpopKey.create(), await DpopKey.create()];
    const url = `${client.issuer}/token`;
    const proof = async (by = key) => ({ DPoP: await by.proof('POST', url) });
    const callback = await client.authorize(bff.browser());
    const tokens = await client.redeem(callback, {}, await proof());
    expect(tokens).toMatchObject({ status: 200, token_type: 'DPoP' });
    expect(handleOf(tokens)).toMatchObject({ keyThumbprint: key.thumbprint });
    const { refresh_token: token } = tokens;
    expect((await client.refresh(token)).error).toBe('invalid_grant');
    expect((await client.refresh(token, {}, await proof(other))).error).toBe('invalid_grant');
    expect((await client.refresh(token, {}, await proof())).token_type).toBe('DPoP');
  });

  it('cannot use a proof twice', async () => {
    const key = await DpopKey.create();
    const proof = { DPoP: await key.proof('POST', `${client.issuer}/token`) };
    const tokens = await client.redeem(await client.authorize(bff.browser()), {}, proof);
    expect(tokens.status).toBe(200);
    expect((await client.refresh(tokens.refresh_token, {}, proof)).status).toBe(400);
  });
});

describe('a resource', () => {
  it('bounds the handle to one route and its scopes', async () => {
    const resource = `${bff.url}/mcp`;
    const browser = bff.browser();
    const callback = await client.authorize(browser, { resource });
    const tokens = await client.redeem(callback, { resource });
    expect(tokens.scope).toBe('tools');
    expect(handleOf(tokens)).toMatchObject({ resource, scopes: ['tools'] });
    const refreshed = await client.refresh(tokens.refresh_token);
    expect(handleOf(refreshed)).toMatchObject({ resource, scopes: ['tools'] });
    const other = await client.refresh(refreshed.refresh_token, { resource: `${bff.url}/api` });
    expect(other.error).toBe('invalid_target');
  });
});

describe('a session of a client', () => {
  it('ends by revocation of either token, which revokes at the provider too', async () => {
    for (const which of ['access_token', 'refresh_token'] as const) {
      const before = bff.authorizationServer.requestsTo('revocation').length;
      const tokens = await client.signIn();
      expect(await client.revoke(tokens[which], { client_id: 'app' })).toBe(200);
      const refreshed = await client.refresh(tokens.refresh_token);
      expect(refreshed.status).toBe(200);
      const newest = which === 'access_token' ? refreshed.access_token : refreshed.refresh_token;
      expect(await client.revoke(newest)).toBe(200);
      expect((await client.refresh(refreshed.refresh_token)).error).toBe('invalid_grant');
      expect(bff.authorizationServer.requestsTo('revocation').length).toBeGreaterThan(before);
    }
  });

  it('ends when its user ends it in the list of sessions', async () => {
    const tokens = await client.signIn();
    const browser = bff.browser();
    const { id } = (await sessionsOf(browser)).find((one) => one.client) ?? { id: '' };
    await browser.fetch(`/bff/sessions/${id}`, { method: 'DELETE', headers: { 'X-CSRF': '1' } });
    expect((await client.refresh(tokens.refresh_token)).error).toBe('invalid_grant');
  });
});
