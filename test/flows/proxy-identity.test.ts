import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { acceptWebSockets, openWebSocket } from '../support/network/web-sockets.ts';

/** Headers of a client that imitates an identity-aware gateway. */
const forged = [
  'X-Auth-Request-User',
  'X-Auth-Request-Email',
  'X_Auth_Request_User',
  'X-Forwarded-User',
  'X-Forwarded-Email',
  'X-Forwarded-Groups',
  'X-Forwarded-Preferred-Username',
  'X-Forwarded-Access-Token',
  'x_forwarded-user',
  'Remote-User',
  'REMOTE_USER',
  'X-Remote-User',
  'X-WEBAUTH-USER',
  'X-MS-Client-Principal',
  'X-MS-CLIENT-PRINCIPAL-ID',
  'X-MS-Token-AAD-ID-Token',
  'X-Amzn-Oidc-Data',
  'X-Goog-Authenticated-User-Email',
  'X-Goog-Iap-Jwt-Assertion',
  'Tailscale-User-Login',
  'X-Consumer-Username',
  'X-Authenticated-Userid',
  'X-Credential-Identifier',
  'WL-Proxy-Client-IP',
  'Proxy',
  'X-Client-Cert',
  'X-Client-Cert-Chain',
  'X-SSL-Client-Verify',
  'SSL-Client-S-DN',
  'X-Original-URL',
  'X-Rewrite-URL',
  'X-HTTP-Method-Override',
  'X-HTTP-Method',
  'X-Method-Override',
  'Secure-Session-Response',
  'Sec-Secure-Session-Id',
  'Secure-Session-Skipped',
  'Sec_Secure_Session_Id',
];

let bff: TestBff;
let frontend: TestBff;
let alice: TestBrowser;

beforeAll(async () => {
  bff = await startBff({
    store: 'memory',
    // Identity headers are not accepted even from a trusted proxy.
    server: { trustedProxies: ['127.0.0.1'] },
    routes: (usual, { upstream: { url } }) => [
      usual,
      { path: '/maybe', upstream: url, token: 'optional' },
      { path: '/open', upstream: url, token: 'none' },
      {
        path: '/passing',
        upstream: url,
        headers: { pass: ['X-Consumer-Username', 'Secure-Session-Response'] },
      },
      {
        path: '/told',
        upstream: url,
        headers: { set: { 'X-Auth-Request-User': '${claims.sub}' } },
      },
    ],
  });
  frontend = await startBff({
    store: 'memory',
    upstream: bff.upstream,
    frontend: { url: bff.upstream.url },
  });
  alice = await bff.signedIn();
});

afterAll(async () => {
  await frontend.close();
  await bff.close();
});

beforeEach(() => void (bff.upstream.requests.length = 0));

async function call(path: string, port = bff.port): Promise<void> {
  const lines = [`GET ${path} HTTP/1.1`, 'Host: x', 'X-CSRF: 1', 'Connection: close'];
  lines.push(`Cookie: ${alice.cookieHeader('/')}`, ...forged.map((name) => `${name}: mallory`));
  const { statuses } = await rawRequest(port, `${lines.join('\r\n')}\r\n\r\n`);
  expect(statuses).toEqual([200]);
}

describe('a client that claims to be an identity-aware gateway', () => {
  it.each(['/api/x', '/maybe/x', '/open/x'])('is not believed at %s', async (path) => {
    await call(path);
    expect(bff.upstream.last.url).toBe(path);
    expect(JSON.stringify(bff.upstream.last.rawHeaders)).not.toContain('mallory');
  });

  it('is not believed by the server of the frontend', async () => {
    await call('/page', frontend.port);
    expect(bff.upstream.last.url).toBe('/page');
    expect(JSON.stringify(bff.upstream.last.rawHeaders)).not.toContain('mallory');
  });

  it('is not believed in the handshake of a WebSocket', async () => {
    acceptWebSockets(bff.upstream);
    const headers = Object.fromEntries(forged.map((name) => [name, 'mallory']));
    const page = await openWebSocket(bff, alice, { headers });
    expect(JSON.stringify(bff.upstream.last.rawHeaders)).not.toContain('mallory');
    page.socket.close();
  });

  it('is believed where the operator says so, but not in what is for the BFF alone', async () => {
    await call('/passing/x');
    const { rawHeaders } = bff.upstream.last;
    const names = rawHeaders.filter((_, index) => rawHeaders[index + 1] === 'mallory');
    expect(names).toEqual(['x-consumer-username']);
  });

  it('cannot override the user that the operator’s rules send to the upstream', async () => {
    await call('/told/x');
    expect(bff.upstream.last.headers['x-auth-request-user']).toBe('alice');
    expect(JSON.stringify(bff.upstream.last.rawHeaders)).not.toContain('mallory');
  });
});
