import { startBff, type TestBff } from '../support/bff/bff.ts';
import { DpopKey } from '../support/clients/dpop-key.ts';
import {
  type NativeClient,
  startNativeClient,
  type TokenResponse,
} from '../support/clients/native-client.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { acceptWebSockets, openWebSocket } from '../support/network/web-sockets.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { logoutToken } from './logout-tokens.ts';

const managementToken = 'a-management-token-for-tests-long-enough';

let bff: TestBff;
let client: NativeClient;
beforeAll(async () => {
  bff = await startBff({
    management: { token: managementToken },
    authorizationServer: {
      people: { alice: { name: 'Alice', groups: ['staff'] }, bob: { name: 'Bob', groups: [] } },
    },
    routes: (usual) => [
      {
        ...usual,
        clients: ['browser', 'bearer'],
        scopes: ['orders'],
        headers: { set: { 'X-User': '${claims.name}' } },
      },
      { ...usual, path: '/mcp', clients: ['bearer'], scopes: ['tools'] },
      {
        ...usual,
        path: '/staff',
        clients: ['bearer'],
        require: [{ claim: 'groups', any: ['staff'] }],
      },
      { ...usual, path: '/strong', clients: ['bearer'], acr: 'gold', maxAge: '5m' },
      { ...usual, path: '/web' },
    ],
    ownAuthorizationServer: {
      clients: [{ id: 'cli', name: 'CLI', redirectUris: ['http://127.0.0.1/callback'] }],
    },
  });
  client = await startNativeClient(bff);
  acceptWebSockets(bff.upstream);
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await bff.close();
});

const call = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
  fetch(bff.url + path, { headers, ...init });
const as = (token: string) => ({ Authorization: `Bearer ${token}` });

async function outcome(response: Response | Promise<Response>) {
  const { status, headers } = await response;
  const body = await (await response).text();
  const code = body.startsWith('{') ? (JSON.parse(body) as { code?: string }).code : undefined;
  return { status, code, challenge: headers.get('www-authenticate') ?? '' };
}

const metadataOf = (path: string) => `${bff.url}/.well-known/oauth-protected-resource${path}`;

describe('a handle', () => {
  it('calls the API with the access token of its session, and never with itself', async () => {
    const { access_token: token } = await client.signIn();
    const before = bff.upstream.requests.length;
    const response = await call('/api/orders', as(token), {
      method: 'POST',
      headers: { ...as(token), Origin: 'https://elsewhere.example', Cookie: 'bff=forged' },
    });
    expect(response.status).toBe(200);
    const [request] = bff.upstream.requests.slice(before);
    expect(request?.headers['authorization']).toMatch(/^Bearer (?!pxb_)/);
    expect(request?.headers['x-user']).toBe('Alice');
    expect(request?.headers['cookie']).toBeUndefined();
  });

  it('is not accepted on a route for browsers, where it is dropped', async () => {
    const { access_token: token } = await client.signIn();
    const headers = { ...as(token), 'X-CSRF': '1' };
    expect(await outcome(call('/web', headers))).toMatchObject({
      status: 401,
      code: 'not_signed_in',
      challenge: '',
    });
    const browser = await bff.signedIn('bob');
    const before = bff.upstream.requests.length;
    await browser.fetch('/web', { headers });
    const [request] = bff.upstream.requests.slice(before);
    expect(request?.headers['authorization']).not.toContain(token);
  });

  it('counts alone: a cookie beside it is ignored', async () => {
    const { access_token: token } = await client.signIn(bff.browser(), { login_hint: 'bob' });
    const browser = await bff.signedIn('alice');
    const beside = { Cookie: browser.cookieHeader() };
    const before = bff.upstream.requests.length;
    expect((await call('/api', { ...as(token), ...beside })).status).toBe(200);
    expect(bff.upstream.requests[before]?.headers['x-user']).toBe('Bob');
    expect((await outcome(call('/api', { ...as('pxb_AAAA'), ...beside }))).status).toBe(401);
    expect((await outcome(call('/mcp', beside))).status).toBe(401);
  });

  it.each([
    ['a forged handle', 'Bearer pxb_AAAA'],
    ['no token', 'Bearer'],
    ['a token with a space', 'Bearer a b'],
    ['a token that is none of a known issuer', 'Bearer eyJhbGciOiJub25lIn0.e30.'],
  ])('gets 401 invalid_token for %s, with a challenge', async (_name, authorization) => {
    const { status, code, challenge } = await outcome(
      call('/mcp', { Authorization: authorization }),
    );
    expect([status, code]).toEqual([401, 'invalid_token']);
    expect(challenge).toContain('Bearer error="invalid_token", error_description="');
    expect(challenge).toContain(`resource_metadata="${metadataOf('/mcp')}"`);
  });

  it('leads a client without a token to the metadata, before any other check', async () => {
    const { status, code, challenge } = await outcome(call('/mcp', {}, { method: 'POST' }));
    expect([status, code]).toEqual([401, 'not_signed_in']);
    expect(challenge).toMatch(/^Bearer scope="tools", resource_metadata="/);
    expect(challenge).not.toContain('error');
    const signedOut = await outcome(call('/api', { 'X-CSRF': '1' }));
    expect(signedOut.challenge).toContain(metadataOf('/api'));
    expect((await outcome(call('/api'))).code).toBe('csrf');
  });

  it('needs every scope of the route', async () => {
    const { access_token: token } = await client.signIn(bff.browser(), { scope: 'orders' });
    const { status, code, challenge } = await outcome(call('/mcp', as(token)));
    expect([status, code]).toEqual([403, 'insufficient_scope']);
    expect(challenge).toContain('error="insufficient_scope"');
    expect(challenge).toContain('scope="tools"');
    expect((await call('/api', as(token))).status).toBe(200);
  });

  it('with a resource works on that route alone', async () => {
    const resource = `${bff.url}/mcp`;
    const callback = await client.authorize(bff.browser(), { resource });
    const { access_token: token } = await client.redeem(callback, { resource });
    expect((await call('/mcp', as(token))).status).toBe(200);
    expect((await outcome(call('/api', as(token)))).code).toBe('invalid_token');
    expect((await outcome(call('/staff', as(token)))).code).toBe('invalid_token');
  });

  it('obeys the rules of the route', async () => {
    const alice = await client.signIn();
    const bob = await client.signIn(bff.browser(), { login_hint: 'bob' });
    expect((await call('/staff', as(alice.access_token))).status).toBe(200);
    expect(await outcome(call('/staff', as(bob.access_token)))).toMatchObject({
      status: 403,
      code: 'not_allowed',
    });
  });

  it('gets the challenge of RFC 9470 where a stronger sign-in is needed', async () => {
    const { access_token: token } = await client.signIn();
    const { status, code, challenge } = await outcome(call('/strong', as(token)));
    expect([status, code]).toEqual([401, 'step_up_required']);
    expect(challenge).toContain('error="insufficient_user_authentication"');
    expect(challenge).toContain('acr_values="gold"');
    expect(challenge).toContain('max_age="300"');
  });

  it('of two Authorization fields counts for none', async () => {
    const { access_token: token } = await client.signIn();
    const field = `Authorization: Bearer ${token}\r\n`;
    const head = `GET /api HTTP/1.1\r\nHost: localhost:${bff.port}\r\nConnection: close\r\n`;
    expect((await rawRequest(bff.port, `${head}${field}\r\n`)).statuses).toEqual([200]);
    expect((await rawRequest(bff.port, `${head}${field}${field}\r\n`)).statuses).toEqual([400]);
  });
});

describe('a handle that is bound to a key', () => {
  let key: DpopKey;
  let token: string;
  beforeAll(async () => {
    key = await DpopKey.create();
    const proof = { DPoP: await key.proof('POST', `${client.issuer}/token`) };
    const callback = await client.authorize(bff.browser());
    ({ access_token: token } = await client.redeem(callback, {}, proof));
  });
  const url = () => `${bff.url}/api/orders`;
  const proven = (proof: string) => ({ Authorization: `DPoP ${token}`, DPoP: proof });

  it('works with a proof, whose header the upstream does not see', async () => {
    const before = bff.upstream.requests.length;
    const response = await call('/api/orders?page=2', proven(await key.proof('GET', url(), token)));
    expect(response.status).toBe(200);
    expect(bff.upstream.requests[before]?.headers['dpop']).toBeUndefined();
  });

  it('is useless when stolen', async () => {
    const other = await DpopKey.create();
    const proofs: [string, Record<string, string>][] = [
      ['as a bearer token', as(token)],
      ['without a proof', { Authorization: `DPoP ${token}` }],
      ['with the proof of another key', proven(await other.proof('GET', url(), token))],
      ['for another method', proven(await key.proof('POST', url(), token))],
      ['for another URL', proven(await key.proof('GET', `${bff.url}/api/other`, token))],
      ['for another token', proven(await key.proof('GET', url(), `${token}x`))],
      ['without a hash of the token', proven(await key.proof('GET', url()))],
      ['from the past', proven(await key.proof('GET', url(), token, { iat: 1 }))],
      ['from the future', proven(await key.proof('GET', url(), token, { iat: 9_999_999_999 }))],
      ['without a jti', proven(await key.proof('GET', url(), token, { jti: undefined }))],
    ];
    for (const [name, headers] of proofs) {
      const { status, code, challenge } = await outcome(call('/api/orders', headers));
      expect([name, status, code]).toEqual([name, 401, 'invalid_token']);
      expect(challenge).toContain('DPoP algs="ES256');
    }
  });

  it('accepts a proof once', async () => {
    const headers = proven(await key.proof('GET', url(), token));
    expect((await call('/api/orders', headers)).status).toBe(200);
    expect((await outcome(call('/api/orders', headers))).status).toBe(401);
  });

  it('needs its scheme: an unbound handle with DPoP is refused', async () => {
    const { access_token: unbound } = await client.signIn();
    const proof = await key.proof('GET', url(), unbound);
    const headers = { Authorization: `DPoP ${unbound}`, DPoP: proof };
    expect((await outcome(call('/api/orders', headers))).code).toBe('invalid_token');
  });
});

describe('the end of a session', () => {
  let replica: TestBff;
  beforeAll(async () => {
    replica = await bff.replica();
  });

  const ways: Record<string, (tokens: TokenResponse) => Promise<unknown>> = {
    'a revocation by the client': ({ refresh_token: token }) => client.revoke(token),
    'its user': async () => {
      const browser = await bff.signedIn('alice');
      await browser.fetch('/bff/sessions', { method: 'DELETE', headers: { 'X-CSRF': '1' } });
    },
    'an operator': () =>
      fetch(`${bff.managementUrl}/sessions?sub=alice`, {
        method: 'DELETE',
        headers: { Authorization: `Bearer ${managementToken}` },
      }),
    'the provider': async () => {
      const body = new URLSearchParams({
        logout_token: await logoutToken(bff.authorizationServer, { sub: 'alice' }),
      });
      expect((await fetch(`${bff.url}/bff/backchannel`, { method: 'POST', body })).status).toBe(
        200,
      );
    },
    'a refresh token that is used again': async ({ refresh_token: token }) => {
      await client.refresh(token);
      await client.refresh(token);
    },
  };

  it.each(Object.keys(ways))('by %s reaches every replica within 100 ms', async (way) => {
    const tokens = await client.signIn();
    const headers = as(tokens.access_token);
    const there = () => fetch(`http://127.0.0.1:${replica.port}/api`, { headers });
    expect([(await call('/api', headers)).status, (await there()).status]).toEqual([200, 200]);
    const socket = await openWebSocket(replica, undefined, { headers, origin: null });
    await ways[way]?.(tokens);
    const endedAt = performance.now();
    await waitFor(async () => (await there()).status === 401);
    expect(performance.now() - endedAt).toBeLessThan(100);
    expect((await call('/api', headers)).status).toBe(401);
    expect((await socket.ended).code).toBe(4401);
  });
});

describe('a WebSocket', () => {
  it('opens with a handle from any origin, and closes when the handle expires', async () => {
    const { ClientHandlesService } =
      await import('../../src/session/clients/client-handles.service.ts');
    const handles = bff.app.get(ClientHandlesService);
    const { access_token: token } = await client.signIn();
    const handle = handles.read(token);
    if (!handle) throw new Error('no handle');
    const short = handles.issue({ ...handle, expiresAt: Date.now() + 300 });
    const opening = { headers: as(short), origin: 'https://elsewhere.example' };
    const socket = await openWebSocket(bff, undefined, opening);
    socket.socket.send('hello');
    expect(await socket.hears(1)).toEqual(['hello']);
    expect((await socket.ended).code).toBe(4401);
    expect(handle.expiresAt).toBeGreaterThan(Date.now());
  });
});

describe('the metadata of a resource', () => {
  it('names the resource, our authorization server and the scopes', async () => {
    const response = await fetch(metadataOf('/mcp'));
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(await response.json()).toMatchObject({
      resource: `${bff.url}/mcp`,
      authorization_servers: [client.issuer],
      scopes_supported: ['tools'],
      bearer_methods_supported: ['header'],
    });
    expect((await fetch(metadataOf('/web'))).status).toBe(404);
    expect((await fetch(metadataOf('/mcp'), { method: 'POST' })).status).toBe(405);
    const server = await fetch(`${bff.url}/.well-known/oauth-authorization-server/bff/oauth`);
    expect(await server.json()).toMatchObject({
      issuer: client.issuer,
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
    });
  });
});
