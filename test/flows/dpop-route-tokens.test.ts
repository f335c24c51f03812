import { calculateJwkThumbprint, decodeProtectedHeader } from 'jose';
import { respondWith, inTurn } from '../support/upstream/responses.ts';
import {
  startAuthorizationServer,
  type AuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { startBff } from '../support/bff/bff.ts';
import { testClock } from '../support/time/clock.ts';
import { DpopResourceServer } from '../support/upstream/dpop-upstream.ts';
import type { RecordedRequest } from '../support/upstream/recorder.ts';
import {
  exchangeGrant,
  extraTokenClaims,
  offerTokenExchange,
} from '../support/authorization-server/token-exchange.ts';
import { startUpstream } from '../support/upstream/upstream.ts';
import { errorCode, whoIs } from './steps.ts';

const reports = 'https://reports.example.com';
const invalidToken = { 'www-authenticate': 'DPoP error="invalid_token"' };

/**
 * An authorization server and an API that both insist on proofs, and a BFF with this route, and
 * another, to the API.
 */
async function startDpopRoute(route: Record<string, unknown>) {
  const server = await startAuthorizationServer({
    dpop: true,
    resources: { [reports]: { scope: 'read' } },
    clientCredentials: true,
    accessTokenSeconds: 60,
    configuration: (defaults) => ({ ...defaults, extraTokenClaims }),
    client: {
      dpop_bound_access_tokens: true,
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials', exchangeGrant],
    },
  });
  offerTokenExchange(server);
  const api = new DpopResourceServer(() => server);
  const upstream = await startUpstream(api.checkingHandler);
  api.url = upstream.url;
  const clock = testClock();
  const bff = await startBff({
    authorizationServer: server,
    upstream,
    clock: clock.now,
    provider: { dpop: true },
    routes: (usual) => [usual, { path: '/own', upstream: upstream.url, ...route }],
  });
  return {
    server,
    api,
    upstream,
    clock,
    bff,
    async [Symbol.asyncDispose]() {
      await bff.close();
      await upstream.close();
      await server.close();
    },
  };
}

/** The key that a request was proved with. */
async function keyOf({ headers }: RecordedRequest): Promise<string> {
  const { jwk = {} } = decodeProtectedHeader(String(headers['dpop']));
  return calculateJwkThumbprint(jwk);
}

const grants = (server: AuthorizationServer, type: string) => server.tokenRequests(type).length;

/** Every kind of token of a route, and the grant it is asked for with. */
const kinds: [string, string, Record<string, unknown>][] = [
  ['a resource', 'refresh_token', { resource: reports }],
  ['an exchange', exchangeGrant, { exchange: { audience: reports, scope: 'read' } }],
  ['the client', 'client_credentials', { token: 'client', resource: reports }],
];

describe.each(kinds)('with DPoP, a route with a token of its own, for %s,', (_, grant, route) => {
  it('proves each call, and a new token with the key that it is bound to', async () => {
    await using at = await startDpopRoute(route);
    const { server, api, upstream, bff } = at;
    const browser = await bff.signedIn();
    expect((await browser.fetch('/own/x')).status).toBe(200);
    expect((await browser.fetch('/own/y')).status).toBe(200);
    upstream.handler = inTurn(respondWith(401, {}, invalidToken), api.checkingHandler);
    expect((await browser.fetch('/own/z')).status).toBe(200);
    expect(api.refusals).toEqual([]);
    expect(api.accepted).toEqual(['GET /own/x', 'GET /own/y', 'GET /own/z']);
    expect(grants(server, grant)).toBe(2);
    // The sign-in's own token is as good as ever.
    expect((await browser.fetch('/api/x')).status).toBe(200);
  });

  it('learns the nonce that its API requires, and requests no other token because of it', async () => {
    await using at = await startDpopRoute(route);
    const { server, api, bff } = at;
    api.nonce = 'first';
    const browser = await bff.signedIn();
    expect((await browser.fetch('/own/x')).status).toBe(200);
    expect([api.refusals, grants(server, grant)]).toEqual([['nonce is undefined'], 1]);
  });

  it('is good on every replica', async () => {
    await using at = await startDpopRoute(route);
    const { server, api, bff } = at;
    const browser = await bff.signedIn();
    expect((await browser.fetch('/own/x')).status).toBe(200);
    const replica = await bff.replica();
    browser.via(replica.port);
    expect((await browser.fetch('/own/y')).status).toBe(200);
    expect([api.accepted, grants(server, grant)]).toEqual([['GET /own/x', 'GET /own/y'], 1]);
  });

  it('refuses a bearer token in its place', async () => {
    await using at = await startDpopRoute(route);
    const { server, upstream, bff } = at;
    const browser = await bff.signedIn();
    server.transform('token', (json) => ({ ...json, token_type: 'Bearer' }));
    expect((await browser.fetch('/own/x')).status).toBe(503);
    expect(upstream.requests).toEqual([]);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });
});

it('tokens of a user are bound to the key of the sign-in, our own to one of theirs', async () => {
  for (const [, , route] of kinds) {
    await using at = await startDpopRoute(route);
    const browser = await at.bff.signedIn();
    await browser.fetch('/api/x');
    await browser.fetch('/own/x');
    // By the refresh token that came with another token.
    at.clock.advance(61_000);
    await browser.fetch('/api/y');
    const keys = await Promise.all(at.upstream.requests.map(keyOf));
    expect(keys).toHaveLength(3);
    expect(keys[0]).toBe(keys[2]);
    expect(keys[0] === keys[1]).toBe(route['token'] !== 'client');
  }
});

it.each(kinds.slice(0, 2))(
  'an upstream that requires a stronger sign-in is handled like any other: %s',
  async (_name, _grant, route) => {
    await using at = await startDpopRoute(route);
    at.upstream.handler = respondWith(401, '', {
      'www-authenticate': 'DPoP error="insufficient_user_authentication", acr_values="mfa"',
    });
    const response = await (await at.bff.signedIn()).fetch('/own/x', { method: 'POST', body: 'b' });
    const body = await response.text();
    expect([response.status, errorCode({ body })]).toEqual([401, 'step_up_required']);
    expect(JSON.parse(body)).toMatchObject({ loginUrl: '/bff/login?acr_values=mfa' });
  },
);
