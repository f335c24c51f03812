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
