import { decodeJwt } from 'jose';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import {
  exchangeGrant,
  extraTokenClaims,
  offerTokenExchange,
} from '../support/authorization-server/token-exchange.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { startNativeClient } from '../support/clients/native-client.ts';
import { testClock, type TestClock } from '../support/time/clock.ts';

const reports = 'https://reports.example.com';

let server: AuthorizationServer;
let bff: TestBff;
let clock: TestClock;
let token: string;
beforeAll(async () => {
  clock = testClock();
  server = await startAuthorizationServer({
    scopes: ['openid', 'offline_access', 'profile', 'email', 'read'],
    resources: { [reports]: { scope: 'read' } },
    clientCredentials: true,
    accessTokenSeconds: 60,
    configuration: (defaults) => ({ ...defaults, extraTokenClaims }),
    client: {
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials', exchangeGrant],
      scope: 'openid offline_access profile email read',
    },
  });
  offerTokenExchange(server);
  bff = await startBff({
    authorizationServer: server,
    clock: clock.now,
    routes: (usual) => [
      { ...usual, clients: ['bearer'] },
      {
        ...usual,
        path: '/reports',
        clients: ['bearer'],
        exchange: { audience: reports, scope: 'read' },
      },
      { ...usual, path: '/ours', clients: ['bearer'], token: 'client' },
    ],
    ownAuthorizationServer: {
      clients: [{ id: 'cli', name: 'Acme CLI', redirectUris: ['http://127.0.0.1/callback'] }],
    },
  });
  await using client = await startNativeClient(bff);
  token = (await client.signIn()).access_token;
});
afterAll(async () => {
  await bff.close();
  await server.close();
});
beforeEach(() => (bff.upstream.requests.length = 0));

/** The status of a call, and the access token that the upstream got. */
async function call(path: string, authorization = `Bearer ${token}`) {
  const response = await fetch(bff.url + path, { headers: { Authorization: authorization } });
  await response.text();
  const sent = bff.upstream.requests.at(-1)?.headers.authorization;
  return { status: response.status, sent: sent?.replace(/^Bearer /, '') };
}

describe('a client with a token of our own authorization server', () => {
  it('calls with a refreshed access token of its session after the first has expired', async () => {
    const first = await call('/api');
    clock.advance(61_000);
    const second = await call('/api');
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.sent).not.toBe(first.sent);
    expect(server.tokenRequests('refresh_token')).toHaveLength(1);
  });

  it('calls with an exchanged token where the route says so', async () => {
    const { status, sent = '' } = await call('/reports');
    expect(status).toBe(200);
    expect(decodeJwt(sent)).toMatchObject({ aud: reports, sub: 'alice', scope: 'read' });
  });

  it('calls with the token of the application where the route says so', async () => {
    const { status, sent } = await call('/ours');
    expect(status).toBe(200);
    expect(sent).not.toBe((await call('/api')).sent);
    expect(server.tokenRequests('client_credentials')).toHaveLength(1);
  });

  it('calls again with another token if the upstream refuses the first', async () => {
    const echo = bff.upstream.handler;
    bff.upstream.handler = (_request, response) => {
      bff.upstream.handler = echo;
      response.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end();
    };
    expect((await call('/api')).status).toBe(200);
    const [first, second] = bff.upstream.requests.map(({ headers }) => headers.authorization);
    expect(second).not.toBe(first);
  });
});
