import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader } from 'jose';
import { respondWith, inTurn } from '../support/upstream/responses.ts';
import type { AuthorizationServerOptions } from '../support/authorization-server/authorization-server.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import { DpopResourceServer } from '../support/upstream/dpop-upstream.ts';
import type { RecordedRequest } from '../support/upstream/recorder.ts';
import { echo, startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { acceptWebSockets, openWebSocket } from '../support/network/web-sockets.ts';
import { beginLogin, errorCode, whoIs } from './steps.ts';

const insisting = { dpop_bound_access_tokens: true };

interface DpopSetup {
  readonly bff: TestBff;
  readonly api: DpopResourceServer;
  readonly upstream: Upstream;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A BFF between an authorization server and an API that both insist on DPoP. */
async function startDpopSetup(
  authorizationServer: AuthorizationServerOptions = {},
  overrides: BffOverrides = {},
): Promise<DpopSetup> {
  const api = new DpopResourceServer(() => bff.authorizationServer);
  const upstream = await startUpstream(api.checkingHandler);
  api.url = upstream.url;
  const bff: TestBff = await startBff({
    store: 'memory',
    upstream,
    authorizationServer: { dpop: true, client: insisting, ...authorizationServer },
    provider: { dpop: true },
    ...overrides,
  });
  const close = async () => {
    await bff.close();
    await upstream.close();
  };
  return { bff, api, upstream, [Symbol.asyncDispose]: close };
}

const proofsIn = (requests: readonly RecordedRequest[]) =>
  requests.map(({ headers }) => decodeJwt(String(headers['dpop'])));

describe('with DPoP', () => {
  it('code, refresh and UserInfo are proved to a server that insists, by one key a session', async () => {
    await using at = await startDpopSetup({ claimsInIdToken: false });
    const { bff } = at;
    const browser = await bff.signedIn();
    at.upstream.handler = inTurn(
      respondWith(401, {}, { 'www-authenticate': 'DPoP error="invalid_token"' }),
      at.api.checkingHandler,
    );
    expect((await browser.fetch('/api/x')).status).toBe(200);
    const { authorizationServer: server } = bff;
    const requests = [...server.tokenRequests(), ...server.requestsTo('userinfo')];
    expect(proofsIn(requests).map(({ htm, htu }) => [htm, htu])).toEqual([
      ['POST', `${server.issuer}/token`],
      ['POST', `${server.issuer}/token`],
      ['GET', `${server.issuer}/me`],
    ]);
    const keys = [...requests, at.upstream.last].map(({ headers }) => {
      const { jwk, alg, typ } = decodeProtectedHeader(String(headers['dpop']));
      expect([alg, typ, Object.keys(jwk ?? {}).toSorted()]).toEqual([
        'ES256',
        'dpop+jwt',
        ['crv', 'kty', 'x', 'y'],
      ]);
      return jwk?.x;
    });
    expect(new Set(keys).size).toBe(1);
    expect(server.requestsTo('userinfo')[0]?.headers.authorization).toMatch(/^DPoP /);
    const bob = await bff.signedIn('bob');
    expect((await bob.fetch('/api/x')).status).toBe(200);
    expect(at.api.keys.size).toBe(2);
  });

  it('a code is useless without the key that requested it', async () => {
    await using at = await startDpopSetup();
    const { request } = await beginLogin(at.bff, at.bff.browser());
    await at.bff.signedIn();
    const { authorizationServer: server } = at.bff;
    const jkt = server.authorizationRequests()[0]?.query.get('dpop_jkt');
    const { jwk = {} } = decodeProtectedHeader(String(server.tokenRequests()[0]?.headers['dpop']));
    expect(jkt).toBe(await calculateJwkThumbprint(jwk));
    expect(jkt).not.toBe(request.searchParams.get('dpop_jkt'));
  });

  it('each call is proved for its own method, address and token, once', async () => {
    await using at = await startDpopSetup();
    const browser = await at.bff.signedIn();
    const calls: [method: string, path: string][] = [
      ['GET', '/api/x?y=1&z=%20#f'],
      ['GET', '/api/x?y=1&z=%20#f'],
      ['HEAD', '/api/x'],
      ['PUT', '/api/things/a%20b'],
      ['DELETE', '/api/things/%C3%A4'],
      ['POST', '/api/x'],
    ];
    for (const [method, path] of calls) {
      const hasBody = method === 'PUT' || method === 'POST';
      const response = await browser.fetch(path, { method, ...(hasBody && { body: 'data' }) });
      expect([method, response.status]).toEqual([method, 200]);
    }
    expect(at.api.refusals).toEqual([]);
    expect(at.api.accepted).toHaveLength(calls.length);
    for (const { headers } of at.upstream.requests)
      expect(headers.authorization).toMatch(/^DPoP [\w-]+$/);
  });

  it('the address is that of the upstream, below its path, however the route spells it', async () => {
    const route = { path: '/api', stripPrefix: true };
    await using at = await startDpopSetup({}, { route });
    await using below = await startDpopSetup(
      {},
      {
        routes: (usual) => [
          { ...usual, upstream: `${String(usual.upstream)}/v1`, rewrite: '/other' },
        ],
      },
    );
    for (const { bff, api } of [at, below]) {
      const browser = await bff.signedIn();
      expect((await browser.fetch('/api/x?q=1')).status).toBe(200);
      expect(api.refusals).toEqual([]);
    }
    expect([...at.api.accepted, ...below.api.accepted]).toEqual(['GET /x', 'GET /v1/other/x']);
  });

  it('of several servers behind a route each gets proofs for itself, and no proof is sent twice', async () => {
    const apis: DpopResourceServer[] = [];
    const upstreams: Upstream[] = [];
    for (let index = 0; index < 2; index += 1) {
      const api = new DpopResourceServer(() => bff.authorizationServer);
      const upstream = await startUpstream(api.checkingHandler);
      api.url = upstream.url;
      apis.push(api);
      upstreams.push(upstream);
    }
    const bff: TestBff = await startBff({
      store: 'memory',
      authorizationServer: { dpop: true, client: insisting },
      provider: { dpop: true },
      route: { upstream: upstreams.map(({ url }) => url), retry: 1 },
    });
    const browser = await bff.signedIn();
    for (let turn = 0; turn < 4; turn += 1)
      expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(apis.map(({ accepted, refusals }) => [accepted.length, refusals])).toEqual([
      [2, []],
      [2, []],
    ]);
    // The connection breaks before an answer: what is sent again has a new proof.
    let isFirst = true;
    for (const [index, upstream] of upstreams.entries())
      upstream.handler = async (request, response, recorded) => {
        if (!isFirst) return apis[index]?.checkingHandler(request, response, recorded);
        isFirst = false;
        await apis[index]?.check(recorded);
        request.socket.destroy();
      };
    expect((await browser.fetch('/api/again')).status).toBe(200);
    expect(apis.flatMap(({ refusals }) => refusals)).toEqual([]);
    expect(
      apis.flatMap(({ accepted }) => accepted).filter((one) => one.endsWith('again')),
    ).toHaveLength(2);
    await bff.close();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
  });

  it('DPoP headers of a page are dropped, and nonces stay between the servers', async () => {
    await using at = await startDpopSetup();
    const browser = await at.bff.signedIn();
    at.api.handler = respondWith(200, {}, { 'dpop-nonce': 'for the next' });
    const response = await browser.fetch('/api/x', {
      headers: { dpop: 'eyJ.theirs.x', authorization: 'DPoP t' },
    });
    expect([response.status, response.headers.get('dpop-nonce')]).toEqual([200, null]);
    expect(at.upstream.last.headerValues('dpop')).toHaveLength(1);
    await browser.fetch('/api/x');
    expect(proofsIn([at.upstream.last])[0]?.['nonce']).toBe('for the next');
  });

  it('a WebSocket is opened with a proof, and with the nonce that is required', async () => {
    await using at = await startDpopSetup();
    const browser = await at.bff.signedIn();
    at.api.nonce = 'n-1';
    const accepted = acceptWebSockets(at.upstream);
    const open = at.upstream.onUpgrade;
    at.upstream.onUpgrade = (request, socket, head) => {
      const recorded = at.upstream.last;
      void at.api.check(recorded).then((refusal) => {
        if (!refusal) return open?.(request, socket, head);
        const head401 = `HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: DPoP error="${refusal.error}"`;
        return socket.end(`${head401}\r\nDPoP-Nonce: n-1\r\nContent-Length: 0\r\n\r\n`);
      });
    };
    const peer = await openWebSocket(at.bff, browser);
    await accepted.next();
    peer.socket.close();
    expect(at.api.refusals).toEqual(['nonce is undefined']);
    expect(at.api.accepted).toEqual(['GET /api/socket']);
  });

  it('a session is good on every replica, whichever signed it in', async () => {
    await using at = await startDpopSetup({}, { store: 'redis' });
    const browser = await at.bff.signedIn();
    const replica = await at.bff.replica();
    expect((await browser.via(replica.port).fetch('/api/x')).status).toBe(200);
    expect(at.api.refusals).toEqual([]);
  });

  it('the key is in no cookie, response or log line, and in Redis only sealed', async () => {
    await using at = await startDpopSetup({}, { store: 'redis', logLevel: 'trace' });
    const browser = await at.bff.signedIn();
    const user = await (await browser.fetch('/bff/user')).text();
    const proof = decodeProtectedHeader(
      String(at.bff.authorizationServer.tokenRequests()[0]?.headers['dpop']),
    );
    const x = proof.jwk?.x ?? 'missing';
    const dump = JSON.stringify([...(await at.bff.redis.dump())]);
    const cookies = browser
      .cookies()
      .map(({ value }) => value)
      .join();
    for (const text of [user, dump, cookies, at.bff.logs.text]) expect(text).not.toContain(x);
  });
});

describe('a nonce', () => {
  it('that the authorization server requires is learned and kept for all sessions', async () => {
    await using at = await startDpopSetup({ dpop: 'nonce' });
    await at.bff.signedIn();
    const { authorizationServer: server } = at.bff;
    expect(proofsIn(server.tokenRequests()).map(({ nonce }) => typeof nonce)).toEqual([
      'undefined',
      'string',
    ]);
    await at.bff.signedIn('bob');
    expect(server.tokenRequests()).toHaveLength(3);
    at.upstream.handler = inTurn(
      respondWith(401, {}, { 'www-authenticate': 'DPoP error="invalid_token"' }),
      at.api.checkingHandler,
    );
    const browser = await at.bff.signedIn();
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(server.tokenRequests('refresh_token')).toHaveLength(1);
  });

  it('that it wants again and again ends with a failed sign-in after two requests', async () => {
    await using at = await startDpopSetup();
    const { authorizationServer: server } = at.bff;
    server.override('token', (request, response, recorded) =>
      respondWith(
        400,
        { error: 'use_dpop_nonce' },
        { 'dpop-nonce': randomBytes(8).toString('hex') },
      )(request, response, recorded),
    );
    const page = await at.bff.signIn(at.bff.browser());
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    expect(server.tokenRequests()).toHaveLength(2);
  });

  it('that an upstream wants costs one more request, once', async () => {
    await using at = await startDpopSetup();
    const [alice, bob] = [await at.bff.signedIn(), await at.bff.signedIn('bob')];
    at.api.nonce = 'first';
    for (const browser of [alice, bob, alice])
      expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(at.api.refusals).toEqual(['nonce is undefined']);
    at.api.nonce = 'second';
    expect((await alice.fetch('/api/x')).status).toBe(200);
    expect(at.api.refusals).toEqual(['nonce is undefined', 'nonce is first']);
    expect(at.bff.authorizationServer.tokenRequests('refresh_token')).toEqual([]);
  });

  it('that an upstream wants loses no order: what has a small body is sent again, whole', async () => {
    await using at = await startDpopSetup();
    const browser = await at.bff.signedIn();
    at.api.handler = echo();
    at.api.nonce = 'first';
    const small = await browser.fetch('/api/orders', {
      method: 'POST',
      body: { item: 'ä'.repeat(1000) },
    });
    expect(small.status).toBe(200);
    expect(((await small.json()) as { body: string }).body).toBe(
      JSON.stringify({ item: 'ä'.repeat(1000) }),
    );
    expect(at.api.refusals).toEqual(['nonce is undefined']);
    at.api.nonce = 'second';
    const [large, chunked] = [Buffer.alloc(100_000, 'x'), Readable.from(['a', 'b'])];
    for (const body of [large, chunked]) {
      at.api.nonce += '+';
      const refused = await browser.fetch('/api/orders', { method: 'POST', body });
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
        401,
        expect.stringContaining('use_dpop_nonce'),
      ]);
      const again = await browser.fetch('/api/orders', {
        method: 'POST',
        body: Buffer.alloc(100_000, 'x'),
      });
      expect(again.status).toBe(200);
    }
  });

  it('is no reason to wait for a client that goes away in the middle of its small body', async () => {
    await using at = await startDpopSetup();
    const browser = await at.bff.signedIn();
    const socket = connect(at.bff.port, '127.0.0.1');
    const head = `POST /api/x HTTP/1.1\r\nHost: localhost:${at.bff.port}\r\nX-CSRF: 1\r\nCookie: ${browser.cookieHeader()}\r\nContent-Length: 10\r\n\r\nhalf`;
    socket.write(head);
    await waitFor(async () => /half/.test(head) && socket.bytesWritten === head.length);
    socket.destroy();
    expect((await browser.fetch('/api/after')).status).toBe(200);
    expect(at.api.accepted).toEqual(['GET /api/after']);
  });

  it('that it wants again and again is not chased: the refusal stands after two requests', async () => {
    await using at = await startDpopSetup();
    const browser = await at.bff.signedIn();
    const nonce = () => ({
      'www-authenticate': 'DPoP error="use_dpop_nonce"',
      'dpop-nonce': randomBytes(8).toString('hex'),
    });
    at.upstream.handler = (...call) => respondWith(401, {}, nonce())(...call);
    expect((await browser.fetch('/api/x')).status).toBe(401);
    expect(at.upstream.requests).toHaveLength(2);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });
});

describe('no downgrade', () => {
  it.each([
    ['a bearer token where a bound one was asked for', { dpop: true }, 'Bearer'],
    ['a bound token where nobody asked for one', {}, 'DPoP'],
    ['a token of another kind', { dpop: true }, 'mac'],
  ])('%s does not sign in', async (_name, provider, type) => {
    await using bff = await startBff({
      store: 'memory',
      authorizationServer: { dpop: true },
      provider,
    });
    bff.authorizationServer.transform('token', (json) => ({ ...json, token_type: type }));
    const page = await bff.signIn(bff.browser());
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    expect(bff.authorizationServer.requestsTo('userinfo')).toEqual([]);
  });

  it('a refresh that brings a bearer token is not used, and the session stays', async () => {
    await using at = await startDpopSetup();
    const browser = await at.bff.signedIn();
    at.bff.authorizationServer.transform('token', (json) => ({ ...json, token_type: 'Bearer' }));
    at.upstream.handler = respondWith(
      401,
      {},
      { 'www-authenticate': 'DPoP error="invalid_token"' },
    );
    expect((await browser.fetch('/api/x')).status).toBe(401);
    expect(at.upstream.requests.map(({ headers }) => headers.authorization?.split(' ')[0])).toEqual(
      ['DPoP'],
    );
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('a server without DPoP configured gets none', async () => {
    await using bff = await startBff({ store: 'memory' });
    const browser = await bff.signedIn();
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(bff.upstream.last.headerValues('dpop')).toEqual([]);
    expect(bff.upstream.last.headers.authorization).toMatch(/^Bearer /);
    for (const { headers, url } of bff.authorizationServer.requests)
      expect([headers['dpop'], url.includes('dpop_jkt')]).toEqual([undefined, false]);
  });
});
