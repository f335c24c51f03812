import type { JWTPayload } from 'jose';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { DpopKey } from '../support/clients/dpop-key.ts';
import { startNativeClient } from '../support/clients/native-client.ts';
import { TokenIssuer } from '../support/clients/token-issuer.ts';
import {
  acceptWebSockets,
  openWebSocket,
  Refusal,
  refusalOf,
} from '../support/network/web-sockets.ts';
import { type Handler, respondWith } from '../support/upstream/responses.ts';

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';

let server: AuthorizationServer;
let issuer: TokenIssuer;
let bff: TestBff;
let echo: Handler;
beforeAll(async () => {
  server = await startAuthorizationServer({ clientCredentials: true });
  issuer = await TokenIssuer.start();
  bff = await startBff({
    authorizationServer: server,
    session: { maxWebSockets: 2 },
    bearer: { issuers: [issuer.option] },
    ownAuthorizationServer: {
      clients: [{ id: 'cli', name: 'Acme CLI', redirectUris: ['http://127.0.0.1/callback'] }],
    },
    routes: (usual) => [
      { ...usual, clients: ['browser', 'bearer'], scopes: ['orders'] },
      { ...usual, path: '/mcp', clients: ['bearer'], exchange: { audience: 'mcp' } },
      { ...usual, path: '/ours', clients: ['bearer'], token: 'client' },
      { ...usual, path: '/open', clients: ['bearer'], token: 'optional' },
    ],
  });
  echo = bff.upstream.handler;
});
afterAll(async () => {
  await bff.close();
  await issuer[Symbol.asyncDispose]();
  await server.close();
});
beforeEach(() => {
  bff.upstream.requests.length = 0;
  bff.upstream.handler = echo;
  server.requests.length = 0;
  server.behave();
});

const as = (token: string) => ({ Authorization: `Bearer ${token}` });

/** A token of the issuer, with the scope of the route. */
const issue = (claims: JWTPayload = {}) => issuer.issue({ scope: 'orders', ...claims });

/** The response to a call, and the token that the upstream got. */
async function call(path: string, headers: Record<string, string> = {}) {
  const response = await fetch(bff.url + path, { headers });
  const text = await response.text();
  const { code } = (text.startsWith('{') ? JSON.parse(text) : {}) as { code?: string };
  return {
    status: response.status,
    code,
    challenge: response.headers.get('www-authenticate'),
    sent: bff.upstream.requests.at(-1)?.headers.authorization,
  };
}

/** Exchanges every token for another one, and counts. */
function exchange(): Handler {
  let count = 0;
  return (request, response, recorded) => {
    if (recorded.form.get('grant_type') !== exchangeGrant) return 'continue';
    return respondWith(200, {
      access_token: `exchanged-${++count}`,
      token_type: 'Bearer',
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      expires_in: 60,
    })(request, response, recorded);
  };
}

describe('on a route with exchange, a token of another issuer', () => {
  it('is exchanged at the provider of the route, once', async () => {
    server.override('token', exchange());
    const token = await issue();
    expect(await call('/mcp', as(token))).toMatchObject({
      status: 200,
      sent: 'Bearer exchanged-1',
    });
    expect(await call('/mcp', as(token))).toMatchObject({
      status: 200,
      sent: 'Bearer exchanged-1',
    });
    const [request, ...others] = server.tokenRequests();
    expect(others).toEqual([]);
    expect(request?.form.get('subject_token')).toBe(token);
    expect(request?.form.get('audience')).toBe('mcp');
  });

  it('is exchanged again if the upstream refuses the first result', async () => {
    server.override('token', exchange());
    bff.upstream.handler = (...parts) => {
      bff.upstream.handler = echo;
      return respondWith(401, '', { 'WWW-Authenticate': 'Bearer error="invalid_token"' })(...parts);
    };
    expect(await call('/mcp', as(await issue()))).toMatchObject({
      status: 200,
      sent: 'Bearer exchanged-2',
    });
  });

  it('may be bound to a key, which stays between the client and the BFF', async () => {
    server.override('token', exchange());
    const key = await DpopKey.create();
    const token = await issue({ cnf: { jkt: key.thumbprint } });
    const proof = await key.proof('GET', `${bff.url}/mcp`, token);
    const { status, sent } = await call('/mcp', { Authorization: `DPoP ${token}`, DPoP: proof });
    expect([status, sent]).toEqual([200, 'Bearer exchanged-1']);
    expect(bff.upstream.last.headers['dpop']).toBeUndefined();
    expect(server.tokenRequests()[0]?.headers['dpop']).toBeUndefined();
  });
});

it('on a route with token: client, the upstream gets the token of the application', async () => {
  const token = await issue();
  const { status, sent } = await call('/ours', as(token));
  expect(status).toBe(200);
  expect(sent).toMatch(/^Bearer ./);
  expect(sent).not.toContain(token);
  expect(server.tokenRequests('client_credentials')).toHaveLength(1);
});

describe('the WebSockets of clients', () => {
  it('are counted for each subject of an issuer', async () => {
    acceptWebSockets(bff.upstream);
    const open = async (sub: string) => {
      const headers = as(await issue({ sub }));
      return openWebSocket(bff, undefined, { headers, origin: null });
    };
    const peers = [await open('alice'), await open('alice'), await open('bob')];
    expect(await refusalOf(open('alice'))).toEqual([429, 'rate_limited']);
    for (const { socket } of peers) socket.close();
    await Promise.all(peers.map(({ ended }) => ended));
  });

  it('are counted for each session of a client', async () => {
    acceptWebSockets(bff.upstream);
    await using client = await startNativeClient(bff);
    const [first, second] = [await client.signIn(), await client.signIn()];
    const open = ({ access_token: token }: { access_token: string }) =>
      openWebSocket(bff, undefined, { headers: as(token), origin: null });
    const peers = [await open(first), await open(first), await open(second)];
    expect(await refusalOf(open(first))).toEqual([429, 'rate_limited']);
    for (const { socket } of peers) socket.close();
    await Promise.all(peers.map(({ ended }) => ended));
  });
});

describe('the challenge of an upstream', () => {
  const metadataOf = (path: string) => {
    const url = `${bff.url}/.well-known/oauth-protected-resource${path}`;
    return `resource_metadata="${url}"`;
  };
  const foreign = 'resource_metadata="http://mcp.internal/.well-known/oauth-protected-resource"';
  const refuseWith = (status: number, challenge: string | string[]) => {
    bff.upstream.handler = respondWith(status, '', { 'WWW-Authenticate': challenge });
  };

  it('reaches the client with our metadata, and with the scopes that it needs', async () => {
    refuseWith(
      403,
      `Bearer error="insufficient_scope", error_description="not \\"yours\\"", scope="files", ${foreign}`,
    );
    const { status, challenge } = await call('/api', as(await issue()));
    expect(status).toBe(403);
    const where = `scope="files", ${metadataOf('/api')}`;
    expect(challenge).toBe(
      `Bearer error="insufficient_scope", error_description="not \\"yours\\"", ${where}, ` +
        `DPoP algs="ES256 Ed25519 EdDSA RS256 PS256", ${where}`,
    );
  });

  it('names no scopes of a token that the client does not have', async () => {
    server.override('token', exchange());
    refuseWith(403, `Bearer error="insufficient_scope", scope="files", ${foreign}`);
    const { challenge } = await call('/mcp', as(await issue()));
    expect(challenge).toMatch(/^Bearer error="insufficient_scope", resource_metadata="/);
    expect(challenge).not.toMatch(/files|internal/);
  });

  it('says nothing about a proof that the BFF made', async () => {
    refuseWith(401, ['DPoP error="use_dpop_nonce", algs="ES256"', `Bearer ${foreign}`]);
    const { status, challenge } = await call('/api', as(await issue()));
    expect(status).toBe(401);
    expect(challenge).toMatch(/^Bearer scope="orders", resource_metadata="/);
    expect(challenge).not.toMatch(/nonce|internal/);
  });

  it('leads a client without a token to our metadata', async () => {
    refuseWith(401, `Bearer realm="mcp", ${foreign}`);
    const { status, challenge } = await call('/open');
    expect(status).toBe(401);
    expect(challenge).toMatch(/^Bearer resource_metadata="/);
    expect(challenge).toContain(metadataOf('/open'));
  });

  it('is relayed as it is if it asks for no access token, or to a browser', async () => {
    refuseWith(401, 'Basic realm="bearer"');
    expect((await call('/api', as(await issue()))).challenge).toBe('Basic realm="bearer"');
    refuseWith(401, `Bearer ${foreign}`);
    const browser = await bff.signedIn();
    const response = await browser.fetch('/api', { headers: { 'X-CSRF': '1' } });
    expect(response.headers.get('www-authenticate')).toBe(`Bearer ${foreign}`);
  });

  it('of a WebSocket is no different', async () => {
    bff.upstream.onUpgrade = (_request, socket) => {
      socket.end(
        `HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer ${foreign}\r\nContent-Length: 0\r\n\r\n`,
      );
    };
    const refusal = openWebSocket(bff, undefined, { headers: as(await issue()), origin: null });
    const refused = await refusal.catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refusal);
    const { headers } = (refused as Refusal).response;
    expect(headers['www-authenticate']).toContain(metadataOf('/api'));
  });
});

// The last ones: after a failure, requests to the provider are delayed.
describe('a token of another issuer that cannot be exchanged', () => {
  it.each([
    [respondWith(400, { error: 'invalid_target' }), 403, 'token_refused', 'access_denied'],
    [respondWith(500), 503, 'provider_unavailable', undefined],
  ])('never reaches the upstream (%#)', async (handler, ...expected) => {
    server.override('token', handler);
    const { status, code, challenge } = await call('/mcp', as(await issue()));
    const [, error] = /error="(\w+)"/.exec(challenge ?? '') ?? [];
    expect([status, code, error]).toEqual(expected);
    expect(bff.upstream.requests).toEqual([]);
  });
});
