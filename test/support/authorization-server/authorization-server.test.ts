import { createHash } from 'node:crypto';
import { getGlobalDispatcher } from 'undici';
import { respondWith, inTurn, passOn } from '../upstream/responses.ts';
import {
  startAuthorizationServer,
  type AuthorizationServer,
  type AuthorizationServerOptions,
} from './authorization-server.ts';
import { TestBrowser } from '../browser/browser.ts';
import { startUpstream } from '../upstream/upstream.ts';

const redirectUri = 'http://localhost:1/callback';
const verifier = 'a-code-verifier-of-more-than-forty-three-characters';
const challenge = createHash('sha256').update(verifier).digest('base64url');

async function start(options: AuthorizationServerOptions = {}) {
  const server = await startAuthorizationServer(options);
  server.registerClient({ redirect_uris: [redirectUri] });
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.close() });
}

/** Goes to the authorization endpoint and returns the redirect back to the client. */
async function authorize(
  server: AuthorizationServer,
  changes: Record<string, string> = {},
  browser = new TestBrowser({ origin: server.issuer }),
): Promise<URL> {
  const query = new URLSearchParams({
    client_id: server.clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid profile email offline_access',
    state: 'a-state',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...changes,
  });
  let url = `${server.issuer}/auth?${query}`;
  while (!url.startsWith(redirectUri)) {
    const page = await browser.navigate(url, { redirect: 'manual' });
    const location = page.headers.get('location');
    if (!location) throw new Error(`${page.status} ${page.body}`);
    url = new URL(location, url).href;
  }
  return new URL(url);
}

async function token(
  server: AuthorizationServer,
  form: Record<string, string>,
): Promise<Record<string, string>> {
  const user = encodeURIComponent(server.clientId);
  const secret = encodeURIComponent(server.clientSecret);
  const response = await fetch(`${server.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams(form),
    headers: { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}` },
  });
  const json = (await response.json()) as Record<string, string>;
  return { ...json, status: String(response.status) };
}

function codeForm(url: URL): Record<string, string> {
  const code = url.searchParams.get('code') ?? '';
  const grant = { grant_type: 'authorization_code', code };
  return { ...grant, redirect_uri: redirectUri, code_verifier: verifier };
}

function payload(jwt = ''): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());
}

async function discovery(options: AuthorizationServerOptions): Promise<Record<string, unknown>> {
  await using server = await start(options);
  const response = await fetch(`${server.issuer}/.well-known/openid-configuration`);
  return (await response.json()) as Record<string, unknown>;
}

// oidc-provider looks for undici's dispatcher, and warns on the console where there is none.
afterAll(() => getGlobalDispatcher().close());

const hash = expect.any(String);

describe('the authorization server', () => {
  it('signs in the hinted person, responds with iss, and records every request', async () => {
    await using server = await start();
    const back = await authorize(server, { login_hint: 'bob@example.com' });
    expect(back.searchParams.get('iss')).toBe(server.issuer);
    expect(back.searchParams.get('state')).toBe('a-state');
    const tokens = await token(server, codeForm(back));
    expect(tokens).toMatchObject({ status: '200', access_token: hash, refresh_token: hash });
    expect(payload(tokens['id_token'])).toMatchObject({ sub: 'bob', name: 'Bob Brown' });
    await expect(server.subjectOf(tokens['access_token'] ?? '')).resolves.toBe('bob');
    expect(server.authorizationRequests()[0]?.query.get('code_challenge')).toBe(challenge);
    const [request] = server.tokenRequests('authorization_code');
    expect(request?.form.get('code_verifier')).toBe(verifier);
  });

  it('requires a new sign-in when a stronger one is requested', async () => {
    await using server = await start();
    const browser = new TestBrowser({ origin: server.issuer });
    const signIn = async (changes: Record<string, string>) => {
      const tokens = await token(server, codeForm(await authorize(server, changes, browser)));
      const { sub, acr } = payload(tokens['id_token']);
      return [sub, acr];
    };
    expect(await signIn({})).toEqual(['alice', undefined]);
    const before = server.requests.length;
    await signIn({});
    const silent = server.requests.slice(before);
    expect(silent.some(({ path }) => path.startsWith('/interaction/'))).toBe(false);
    expect(await signIn({ acr_values: 'urn:test:mfa' })).toEqual(['alice', 'urn:test:mfa']);
  });

  it('denies when a test sets it to, and refuses a request without PKCE', async () => {
    await using server = await start();
    server.interaction = 'deny';
    expect((await authorize(server)).searchParams.get('error')).toBe('access_denied');
    const noPkce = { code_challenge: '', code_challenge_method: '' };
    expect((await authorize(server, noPkce)).searchParams.get('error')).toBe('invalid_request');
  });

  it('rotates refresh tokens, and revokes the grant when a spent one comes again', async () => {
    await using server = await start();
    const first = await token(server, codeForm(await authorize(server)));
    const refresh = (value = '') =>
      token(server, { grant_type: 'refresh_token', refresh_token: value });
    const second = await refresh(first['refresh_token']);
    expect(second['refresh_token']).not.toBe(first['refresh_token']);
    const again = await refresh(first['refresh_token']);
    expect(again).toMatchObject({ status: '400', error: 'invalid_grant' });
    expect(await refresh(second['refresh_token'])).toMatchObject({ error: 'invalid_grant' });
  });

  it('offers only what is configured', async () => {
    const usual = await discovery({});
    expect(usual).not.toHaveProperty('pushed_authorization_request_endpoint');
    expect(usual).not.toHaveProperty('dpop_signing_alg_values_supported');
    expect(usual).toMatchObject({ revocation_endpoint: hash, end_session_endpoint: hash });
    const less = await discovery({ par: 'required', dpop: true, revocation: false });
    expect(less).toMatchObject({ require_pushed_authorization_requests: true });
    expect(less).toHaveProperty('dpop_signing_alg_values_supported');
    expect(less).not.toHaveProperty('revocation_endpoint');
  });

  it('issues JWT access tokens for an audience when configured', async () => {
    const audience = 'https://api.example.com';
    await using server = await start({ jwtAccessTokens: { audience } });
    const tokens = await token(server, codeForm(await authorize(server, { scope: 'openid api' })));
    expect(payload(tokens['access_token'])).toMatchObject({ aud: audience, scope: 'api' });
  });

  it('misbehaves as configured, and goes down and comes back on its port', async () => {
    await using server = await start();
    server.override('token', inTurn(respondWith(500, 'oops'), passOn()));
    server.transform('token', (json) => ({ ...json, expires_in: 5 }));
    const form = codeForm(await authorize(server));
    await expect(token(server, form)).rejects.toThrow('not valid JSON');
    expect(await token(server, form)).toMatchObject({ status: '200', expires_in: 5 });
    const { issuer } = server;
    await server.goDown();
    await expect(fetch(`${issuer}/jwks`)).rejects.toThrow('fetch failed');
    await server.comeBack();
    expect((await fetch(`${issuer}/jwks`)).status).toBe(200);
  });

  it('notifies a client on loopback by back-channel when its person signs out there', async () => {
    await using server = await start({ backchannelLogout: true });
    const client = await startUpstream(respondWith(200));
    server.registerClient({
      backchannel_logout_uri: `${client.url}/backchannel`,
      backchannel_logout_session_required: true,
    });
    const browser = new TestBrowser({ origin: server.issuer });
    const tokens = await token(server, codeForm(await authorize(server, {}, browser)));
    const { sid } = payload(tokens['id_token']);
    const page = await browser.navigate('/session/end');
    expect(page.body).toBe('Signed out at the authorization server.');
    expect(payload(client.last.form.get('logout_token') ?? '')).toMatchObject({
      sid,
      sub: 'alice',
    });
    await client.close();
  });

  it('forgets tokens when everything is revoked', async () => {
    await using server = await start();
    const tokens = await token(server, codeForm(await authorize(server)));
    server.revokeEverything();
    await expect(server.subjectOf(tokens['access_token'] ?? '')).resolves.toBeUndefined();
  });
});
