import {
  type ClientHandle,
  ClientHandlesService,
} from '../../src/session/clients/client-handles.service.ts';
import { type BffOverrides, startBff, type TestBff } from '../support/bff/bff.ts';
import { type NativeClient, startNativeClient } from '../support/clients/native-client.ts';

const overrides: BffOverrides = {
  routes: (usual) => [
    { ...usual, clients: ['browser', 'bearer'], scopes: ['orders'] },
    { ...usual, path: '/mcp', clients: ['bearer'], scopes: ['tools', 'orders'] },
    { ...usual, path: '/web' },
    {
      ...usual,
      path: '/bare',
      clients: ['bearer'],
      forwardToken: false,
      headers: { set: { 'X-User': '${claims.sub}' } },
    },
    {
      ...usual,
      path: '/admin',
      clients: ['bearer'],
      require: [{ claim: 'roles', any: ['admin'] }],
    },
    { ...usual, path: '/strong', clients: ['browser', 'bearer'], acr: 'gold', maxAge: '5m' },
    { ...usual, path: '/open', clients: ['bearer'], token: 'optional' },
  ],
  ownAuthorizationServer: {
    clients: [
      { id: 'cli', name: 'Acme CLI', redirectUris: ['http://127.0.0.1/callback'] },
      {
        id: 'small',
        name: 'Acme Small',
        redirectUris: ['http://127.0.0.1/callback'],
        scopes: ['orders'],
      },
    ],
  },
};

let bff: TestBff;
let client: NativeClient;
let token: string;
beforeAll(async () => {
  bff = await startBff(overrides);
  client = await startNativeClient(bff);
  token = (await client.signIn()).access_token;
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await bff.close();
});
beforeEach(() => (bff.upstream.requests.length = 0));

const call = (path: string, init: RequestInit = {}) => fetch(bff.url + path, init);

const withToken = (path: string, value = token, headers: Record<string, string> = {}) =>
  call(path, { headers: { Authorization: `Bearer ${value}`, ...headers } });

/** The code and the challenges of a refusal. */
async function refusalOf(response: Response) {
  const { code, loginUrl } = (await response.json()) as { code: string; loginUrl?: string };
  const challenge = response.headers.get('www-authenticate');
  return { status: response.status, code, loginUrl, challenge };
}

describe('a client with an access token of its own', () => {
  it('calls with the access token of its session, without a CSRF header', async () => {
    const response = await call('/mcp/tools', {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${token}`,
        Origin: 'https://elsewhere.example',
        'Sec-Fetch-Site': 'cross-site',
        'Content-Type': 'application/json',
      },
      body: '{}',
    });
    expect(response.status).toBe(200);
    const { authorization } = bff.upstream.last.headers;
    expect(authorization).toMatch(/^Bearer /);
    expect(authorization).not.toContain('pxb_');
  });

  it('is told apart from the browser by Authorization alone', async () => {
    const browser = await bff.signedIn('bob');
    const headers = { 'X-CSRF': '1' };
    expect((await browser.fetch('/api', { headers })).status).toBe(200);
    const stranger = { ...headers, Authorization: 'Bearer pxb_forged' };
    const response = await browser.fetch('/api', { headers: stranger });
    expect(response.status).toBe(401);
    expect(bff.upstream.requests).toHaveLength(1);
  });

  it('has claims, like a browser', async () => {
    expect((await withToken('/bare', token, { 'X-User': 'mallory' })).status).toBe(200);
    const { headers } = bff.upstream.last;
    expect(headers['x-user']).toBe('alice');
    expect(headers.authorization).toBeUndefined();
  });

  it('never shows its token or proof to an upstream', async () => {
    await withToken('/bare', token, { DPoP: 'a.proof.of' });
    await withToken('/api', token, { DPoP: 'a.proof.of' });
    const seen = JSON.stringify(bff.upstream.requests.map(({ headers }) => headers));
    expect(bff.upstream.requests).toHaveLength(2);
    expect(seen).not.toContain('pxb_');
    expect(seen).not.toContain('a.proof.of');
  });

  it('may send a preflight-like OPTIONS with its token', async () => {
    const response = await call('/mcp', {
      method: 'OPTIONS',
      headers: { Authorization: `Bearer ${token}`, 'Access-Control-Request-Method': 'PUT' },
    });
    expect(response.status).toBe(200);
  });

  it('is no one on a route for browsers alone', async () => {
    const response = await withToken('/web', token, { 'X-CSRF': '1' });
    expect(await refusalOf(response)).toEqual({
      status: 401,
      code: 'not_signed_in',
      loginUrl: '/bff/login',
      challenge: null,
    });
  });

  it('is judged by the rules of the route', async () => {
    const refusal = await refusalOf(await withToken('/admin'));
    expect(refusal).toMatchObject({ status: 403, code: 'not_allowed' });
    expect(refusal.challenge).toContain('Bearer error="access_denied"');
  });
});

describe('a request that its access token does not admit', () => {
  const metadataOf = (path: string) =>
    `resource_metadata="${bff.url}/.well-known/oauth-protected-resource${path}"`;

  it('gets a challenge without an error if it has no token at all', async () => {
    const refusal = await refusalOf(await call('/mcp', { method: 'POST' }));
    expect(refusal).toMatchObject({ status: 401, code: 'not_signed_in', loginUrl: undefined });
    expect(refusal.challenge).toBe(
      `Bearer scope="tools orders", ${metadataOf('/mcp')}, ` +
        `DPoP algs="ES256 Ed25519 EdDSA RS256 PS256", scope="tools orders", ${metadataOf('/mcp')}`,
    );
  });

  it('has a cookie that nothing reads', async () => {
    const browser = await bff.signedIn('bob');
    const response = await browser.fetch('/mcp', { headers: { 'X-CSRF': '1' } });
    expect(await refusalOf(response)).toMatchObject({ status: 401, code: 'not_signed_in' });
  });

  it('tells a signed-out browser where to sign in, and a client where to get a token', async () => {
    const refusal = await refusalOf(await call('/api', { headers: { 'X-CSRF': '1' } }));
    expect(refusal).toMatchObject({ status: 401, code: 'not_signed_in', loginUrl: '/bff/login' });
    expect(refusal.challenge).toContain(`Bearer scope="orders", ${metadataOf('/api')}`);
  });

  it('needs the CSRF header on a route for both if it has no token', async () => {
    const refusal = await refusalOf(await call('/api'));
    expect(refusal).toEqual({ status: 403, code: 'csrf', challenge: null });
  });

  it.each([
    ['Bearer pxb_forged', 'invalid_token'],
    ['Bearer ', 'invalid_token'],
    ['DPoP pxb_forged', 'invalid_token'],
    ['Bearer not-a-handle', 'invalid_token'],
  ])('is refused with %p', async (authorization, error) => {
    const response = await call('/mcp', { headers: { Authorization: authorization } });
    const refusal = await refusalOf(response);
    expect(refusal).toMatchObject({ status: 401, code: error });
    expect(refusal.challenge).toMatch(
      new RegExp(`^Bearer error="${error}", error_description="[\\w ,]+\\.", scope="tools orders"`),
    );
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('gets a challenge without an error for a scheme that we do not know', async () => {
    const response = await call('/api', { headers: { Authorization: 'Basic YTpi' } });
    const refusal = await refusalOf(response);
    expect(refusal).toMatchObject({ status: 401, code: 'not_signed_in', loginUrl: undefined });
    expect(refusal.challenge).not.toContain('error');
  });

  it('is told which scopes it needs', async () => {
    await using small = await startNativeClient(bff, 'small');
    const { access_token: other } = await small.signIn();
    expect((await withToken('/api', other)).status).toBe(200);
    const refusal = await refusalOf(await withToken('/mcp', other));
    expect(refusal).toMatchObject({ status: 403, code: 'insufficient_scope' });
    expect(refusal.challenge).toMatch(
      /^Bearer error="insufficient_scope", error_description="[^"]+", scope="tools orders", /,
    );
  });

  it('is refused outside the resource that its token is for', async () => {
    const resource = `${bff.url}/mcp`;
    const tokens = await client.redeem(await client.authorize(bff.browser(), { resource }));
    expect((await withToken('/mcp', tokens.access_token)).status).toBe(200);
    const refusal = await refusalOf(await withToken('/api', tokens.access_token));
    expect(refusal).toMatchObject({ status: 401, code: 'invalid_token' });
  });

  it('is refused as soon as its session has ended', async () => {
    const tokens = await client.signIn();
    expect((await withToken('/mcp', tokens.access_token)).status).toBe(200);
    expect(await client.revoke(tokens.refresh_token)).toBe(200);
    const refusal = await refusalOf(await withToken('/mcp', tokens.access_token));
    expect(refusal).toMatchObject({ status: 401, code: 'invalid_token' });
  });

  it('is refused with a token for the session of a browser or of another client', async () => {
    const handles = bff.app.get(ClientHandlesService);
    const handle = handles.read(token) as ClientHandle;
    const browser = await bff.signedIn('bob');
    const response = await browser.fetch('/bff/sessions', { headers: { 'X-CSRF': '1' } });
    const [{ id }] = (await response.json()) as [{ id: string }];
    for (const change of [{ sessionId: id }, { clientId: 'small' }]) {
      const forged = handles.issue({ ...handle, ...change });
      const refusal = await refusalOf(await withToken('/mcp', forged));
      expect(refusal).toMatchObject({ status: 401, code: 'invalid_token' });
    }
    expect((await withToken('/mcp', handles.issue(handle))).status).toBe(200);
  });

  it('learns which sign-in the route needs (RFC 9470)', async () => {
    const refusal = await refusalOf(await withToken('/strong'));
    expect(refusal).toMatchObject({ status: 401, code: 'step_up_required', loginUrl: undefined });
    expect(refusal.challenge).toMatch(
      /^Bearer error="insufficient_user_authentication", .*acr_values="gold", max_age="300", /,
    );
  });

  it('is served without a token where the route says so, and its cookie stays unread', async () => {
    const browser = await bff.signedIn('bob');
    expect((await browser.fetch('/open')).status).toBe(200);
    expect(bff.upstream.last.headers.authorization).toBeUndefined();
    expect((await withToken('/open', 'pxb_forged')).status).toBe(401);
  });

  it('leaves nothing of its token in the log', async () => {
    await withToken('/mcp', token);
    await withToken('/mcp', 'pxb_a-forged-token');
    await withToken('/admin', token);
    const log = JSON.stringify(bff.logs.lines);
    expect(log).toContain('invalid_token');
    expect(log).not.toContain('a-forged-token');
    expect(log).not.toContain(token);
  });
});
