import { providerAt } from '../support/authorization-server/provider-at.ts';
import { SignJWT, importJWK, type JWK } from 'jose';
import { respondWith, passOn, slowly } from '../support/upstream/responses.ts';
import {
  startAuthorizationServer,
  type AuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser, Page } from '../support/browser/browser.ts';
import { testClock } from '../support/time/clock.ts';
import { startUpstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';
import {
  asProgram,
  errorCode,
  keysOf,
  untilCallback as signInUntilCallback,
  visitCallback,
  whoIs,
} from './steps.ts';

const second = 1000;

/**
 * Alice has an account at `corp`, where people sign in, and another at `partner`, where she is
 * called al.
 */
async function startTwoProviders({
  provider,
  ...overrides
}: BffOverrides & { provider?: object } = {}) {
  const partner = await startAuthorizationServer({
    clientId: 'at-partner',
    people: {
      al: { name: 'Al', email: 'al@partner.example' },
      zoe: { name: 'Zoe', email: 'zoe@partner.example' },
    },
    accessTokenSeconds: 60,
    backchannelLogout: true,
    resources: { 'urn:partner:files': { scope: 'api' } },
  });
  const clock = testClock();
  const upstream = await startUpstream();
  const bff = await startBff({
    clock: clock.now,
    authorizationServer: { backchannelLogout: true },
    upstream,
    providers: (usual) => [
      usual,
      { ...providerAt(partner), scopes: ['openid', 'profile', 'offline_access'], ...provider },
    ],
    routes: (usual, { upstream: { url } }) => [
      usual,
      {
        path: '/partner',
        upstream: url,
        provider: 'partner',
        headers: { set: { 'X-User': '${claims.sub}', 'X-Name': '${claims.name}' } },
      },
      { path: '/files', upstream: url, provider: 'partner', resource: 'urn:partner:files' },
    ],
    ...overrides,
  });
  partner.registerClient({
    redirect_uris: [`${bff.url}/bff/callback/partner`],
    backchannel_logout_uri: `${bff.url}/bff/backchannel`,
    backchannel_logout_session_required: true,
  });
  return {
    partner,
    bff,
    clock,
    upstream,
    async [Symbol.asyncDispose]() {
      await bff.close();
      await partner.close();
      await upstream.close();
    },
  };
}

/** A browser in which alice is signed in and has connected her other account. */
async function connected(bff: TestBff): Promise<TestBrowser> {
  const browser = await bff.signedIn();
  const page = await connect(browser);
  expect(page.url).toBe(`${bff.url}/`);
  return browser;
}

const connect = (browser: TestBrowser, query = ''): Promise<Page> =>
  browser.click(`/bff/connect/partner${query}`);

/** Goes on from `connect` to where the second provider sends the browser back, and says where. */
async function untilCallback(bff: TestBff, browser: TestBrowser): Promise<URL> {
  let next = new URL(`${bff.url}/bff/connect/partner`);
  for (;;) {
    const page = await browser.navigate(next.href, { redirect: 'manual' });
    next = new URL(page.headers.get('location') ?? '', page.url);
    // Our page is still open in another tab.
    browser.location = `${bff.url}/`;
    if (next.pathname.startsWith('/bff/callback')) return next;
  }
}

async function call(browser: TestBrowser, path: string): Promise<[number, string | undefined]> {
  const response = await browser.fetch(path);
  return [response.status, errorCode({ body: await response.text() })];
}

const disconnect = (browser: TestBrowser, headers = {}) =>
  browser.fetch('/bff/disconnect/partner', { method: 'POST', headers });

const refreshes = (server: AuthorizationServer) => server.tokenRequests('refresh_token').length;

async function logoutToken(server: AuthorizationServer, clientId: string, claims: object) {
  const jwk = server.signingKeys.find(({ kid }) => kid === 'rsa');
  const event = 'http://schemas.openid.net/event/backchannel-logout';
  const token = new SignJWT({ events: { [event]: {} }, ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: 'rsa', typ: 'logout+jwt' })
    .setIssuer(server.issuer)
    .setAudience(clientId)
    .setIssuedAt()
    .setExpirationTime('1m')
    .setJti(crypto.randomUUID());
  return token.sign(await importJWK({ ...jwk } as JWK, 'RS256'));
}

async function backchannel(bff: TestBff, token: string): Promise<number> {
  const body = new URLSearchParams({ logout_token: token });
  return (await fetch(`http://127.0.0.1:${bff.port}/bff/backchannel`, { method: 'POST', body }))
    .status;
}

it('an account is connected by a response in a form as well, which ends with a 303', async () => {
  await using all = await startTwoProviders({
    https: true,
    provider: { responseMode: 'form_post' },
  });
  const { bff } = all;
  const browser = await bff.signedIn();
  const page = await connect(browser, '?returnUrl=/settings');
  const posted = page.history.find(({ method }) => method === 'POST');
  expect(posted).toMatchObject({ url: `${bff.url}/bff/callback/partner`, status: 303 });
  expect(posted?.location).toBe('/settings');
  expect((await call(browser, '/partner/x'))[0]).toBe(200);
  await expect(whoIs(browser)).resolves.toBe('alice');
});

describe('an account at a second provider', () => {
  it('is connected from the address that its route names, and each route has the token of its provider', async () => {
    await using all = await startTwoProviders();
    const { bff, partner, upstream } = all;
    const browser = await bff.signedIn();
    const refused = await browser.fetch('/partner/x');
    const { loginUrl = '', code } = (await refused.json()) as { loginUrl?: string; code: string };
    expect([refused.status, code, loginUrl]).toEqual([
      401,
      'not_signed_in',
      '/bff/connect/partner',
    ]);
    expect(upstream.requests).toEqual([]);
    const session = browser.cookies().find(({ name }) => name === 'bff');

    const page = await browser.click(`${loginUrl}?returnUrl=/settings&login_hint=al`);
    expect(page.url).toBe(`${bff.url}/settings`);
    expect(browser.cookies()).toContainEqual(session);
    expect(await call(browser, '/partner/x')).toEqual([200, undefined]);
    const [, theirs = ''] = upstream.last.headers.authorization?.split(' ') ?? [];
    await expect(partner.subjectOf(theirs)).resolves.toBe('al');
    expect(await call(browser, '/api/x')).toEqual([200, undefined]);
    const [, ours = ''] = upstream.last.headers.authorization?.split(' ') ?? [];
    await expect(bff.authorizationServer.subjectOf(ours)).resolves.toBe('alice');
    expect(await keysOf(bff, 'session')).toHaveLength(1);
  });

  it('is shown to the page, and its claims to its own routes alone', async () => {
    await using all = await startTwoProviders();
    const { bff, upstream } = all;
    const browser = await connected(bff);
    const user = (await (await browser.fetch('/bff/user')).json()) as Record<string, unknown>;
    expect(user).toMatchObject({
      sub: 'alice',
      provider: 'corp',
      claims: { name: 'Alice Adams' },
      connections: [{ provider: 'partner', sub: 'al', claims: { name: 'Al' } }],
    });
    const shown = JSON.stringify(user).replaceAll('accessTokenExpiresAt', '');
    expect(shown).not.toMatch(/token/i);
    await call(browser, '/partner/x');
    expect(upstream.last.headers).toMatchObject({ 'x-user': 'al', 'x-name': 'Al' });
    const unconnected = await bff.signedIn();
    const response = await (await unconnected.fetch('/bff/user')).json();
    expect(response).not.toHaveProperty('connections');
  });

  it('is refreshed once on however many replicas, by itself', async () => {
    await using all = await startTwoProviders();
    const { bff, partner, clock } = all;
    const browser = await connected(bff);
    clock.advance(61 * second);
    partner.override('token', slowly(50, passOn()));
    const ports = [bff.port, (await bff.replica()).port];
    const headers = { cookie: browser.cookieHeader(), 'x-csrf': '1' };
    const calls = Array.from({ length: 60 }, (_, n) =>
      fetch(`http://127.0.0.1:${ports[n % 2]}/partner/x`, { headers }),
    );
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect([refreshes(partner), refreshes(bff.authorizationServer)]).toEqual([1, 0]);
    clock.advance(61 * second);
    expect(await call(browser, '/partner/x')).toEqual([200, undefined]);
    expect(refreshes(partner)).toBe(2);
  });

  it('has tokens for resources too, which end with it', async () => {
    await using all = await startTwoProviders();
    const { bff, partner, upstream } = all;
    const browser = await connected(bff);
    expect(await call(browser, '/files/x')).toEqual([200, undefined]);
    const token = upstream.last.headers.authorization?.split(' ')[1] ?? '';
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ aud: 'urn:partner:files', sub: 'al' });
    expect(await call(browser, '/partner/x')).toEqual([200, undefined]);
    await disconnect(browser);
    await connect(browser, '?login_hint=zoe');
    expect(await call(browser, '/files/x')).toEqual([200, undefined]);
    expect(upstream.last.headers.authorization).not.toContain(token);
    expect(refreshes(partner)).toBe(2);
  });

  it('is 503 while its provider is down, and nothing else is', async () => {
    await using all = await startTwoProviders();
    const { bff, partner, clock } = all;
    const browser = await connected(bff);
    clock.advance(61 * second);
    partner.override('token', respondWith(503, ''));
    expect(await call(browser, '/partner/x')).toEqual([503, 'provider_unavailable']);
    expect(await call(browser, '/api/x')).toEqual([200, undefined]);
    partner.override('token', undefined);
    clock.advance(5 * second);
    expect(await call(browser, '/partner/x')).toEqual([200, undefined]);
  });

  it('is gone when its provider says that the grant is over, and the session stays', async () => {
    await using all = await startTwoProviders();
    const { bff, partner, clock } = all;
    const browser = await connected(bff);
    clock.advance(61 * second);
    partner.revokeEverything();
    const refused = await browser.fetch('/partner/x');
    expect(await refused.json()).toMatchObject({
      code: 'not_signed_in',
      loginUrl: '/bff/connect/partner',
    });
    await expect(whoIs(browser)).resolves.toBe('alice');
    expect(await (await browser.fetch('/bff/user')).json()).not.toHaveProperty('connections');
    await connect(browser);
    expect(await call(browser, '/partner/x')).toEqual([200, undefined]);
  });

  it('is disconnected when its user says so, and its tokens are revoked', async () => {
    await using all = await startTwoProviders();
    const { bff, partner, upstream } = all;
    const browser = await connected(bff);
    expect((await disconnect(browser, { 'x-csrf': null })).status).toBe(403);
    expect((await disconnect(browser)).status).toBe(204);
    expect(await call(browser, '/partner/x')).toEqual([401, 'not_signed_in']);
    expect(upstream.requests).toEqual([]);
    await waitFor(() => partner.requestsTo('revocation').length === 1);
    expect((await disconnect(browser)).status).toBe(204);
    await expect(whoIs(browser)).resolves.toBe('alice');
    expect(partner.requestsTo('revocation')).toHaveLength(1);
    expect(bff.authorizationServer.requestsTo('revocation')).toEqual([]);
  });

  it('is replaced when another is connected, and the tokens of the first are revoked', async () => {
    await using all = await startTwoProviders();
    const { bff, partner, upstream } = all;
    const browser = await connected(bff);
    await connect(browser, '?login_hint=zoe');
    expect(await call(browser, '/partner/x')).toEqual([200, undefined]);
    expect(upstream.last.headers['x-user']).toBe('zoe');
    await waitFor(() => partner.requestsTo('revocation').length === 1);
  });

  it('ends with the session, at both providers', async () => {
    await using all = await startTwoProviders();
    const { bff, partner } = all;
    const browser = await connected(bff);
    expect((await browser.fetch('/bff/logout', { method: 'POST' })).status).toBe(200);
    const revoked = [partner, bff.authorizationServer].map(
      (server) => server.requestsTo('revocation').length,
    );
    expect(revoked).toEqual([1, 1]);
    expect(await call(browser, '/partner/x')).toEqual([401, 'not_signed_in']);
    expect(await keysOf(bff, 'session')).toEqual([]);
  });

  it('stays when its user signs in once more, more strongly for example, and not when another does', async () => {
    await using all = await startTwoProviders();
    const { bff, partner } = all;
    const browser = await connected(bff);
    await bff.signIn(browser, { acr_values: 'urn:test:mfa' });
    expect(bff.authorizationServer.authorizationRequests()).toHaveLength(2);
    expect(await keysOf(bff, 'session')).toHaveLength(1);
    expect(await call(browser, '/partner/x')).toEqual([200, undefined]);
    const token = await logoutToken(partner, 'at-partner', { sub: 'al' });
    expect(await backchannel(bff, token)).toBe(200);
    expect(await call(browser, '/partner/x')).toEqual([401, 'not_signed_in']);

    await connect(browser);
    await bff.signedIn('bob', browser);
    await expect(whoIs(browser)).resolves.toBe('bob');
    expect(await call(browser, '/partner/x')).toEqual([401, 'not_signed_in']);
  });

  it('does not come back by a refresh that was under way when it was disconnected', async () => {
    await using all = await startTwoProviders();
    const { bff, partner, clock } = all;
    const browser = await connected(bff);
    clock.advance(61 * second);
    const disconnected = Promise.withResolvers<void>();
    partner.transform('token', async (json) => {
      await disconnected.promise;
      return json;
    });
    const late = call(browser, '/partner/x');
    await waitFor(() => refreshes(partner) === 1);
    expect((await disconnect(browser)).status).toBe(204);
    disconnected.resolve();
    expect(await late).toEqual([401, 'not_signed_in']);
    expect(await (await browser.fetch('/bff/user')).json()).not.toHaveProperty('connections');
    await waitFor(() => partner.requestsTo('revocation').length === 2);
  });

  it('is connected while the token of the sign-in is being refreshed, and neither is lost', async () => {
    await using all = await startTwoProviders({
      authorizationServer: { accessTokenSeconds: 30 },
    });
    const { bff, clock } = all;
    const browser = await bff.signedIn();
    const callback = await untilCallback(bff, browser);
    clock.advance(31 * second);
    const hasConnected = Promise.withResolvers<void>();
    bff.authorizationServer.transform('token', async (json) => {
      await hasConnected.promise;
      return json;
    });
    const refreshed = call(browser, '/api/x');
    await waitFor(() => refreshes(bff.authorizationServer) === 1);
    expect((await visitCallback(bff, browser, callback)).status).toBe(302);
    hasConnected.resolve();
    expect(await refreshed).toEqual([200, undefined]);
    expect(await call(browser, '/partner/x')).toEqual([200, undefined]);
    expect(await call(browser, '/api/x')).toEqual([200, undefined]);
    expect(refreshes(bff.authorizationServer)).toBe(1);
  });
});

describe('a logout token', () => {
  it.each(['sid', 'sub'])(
    'of the second provider (%s) disconnects, and the session stays',
    async (by) => {
      await using all = await startTwoProviders();
      const { bff, partner } = all;
      const browser = await connected(bff);
      const sids: string[] = [];
      partner.transform('token', (json) => {
        const [, payload = ''] = String(json['id_token']).split('.');
        sids.push(
          (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sid: string }).sid,
        );
        return json;
      });
      await connect(browser);
      const claims = by === 'sid' ? { sid: sids[0] } : { sub: 'al' };
      const token = await logoutToken(partner, 'at-partner', claims);
      const replica = await bff.replica();
      expect(await backchannel(replica, token)).toBe(200);
      expect(await call(browser, '/partner/x')).toEqual([401, 'not_signed_in']);
      await expect(whoIs(browser)).resolves.toBe('alice');
    },
  );

  it('of the second provider is refused if its sid and sub do not belong together', async () => {
    await using all = await startTwoProviders();
    const { bff, partner } = all;
    const browser = await bff.signedIn();
    let sid: unknown;
    partner.transform('token', (json) => {
      const [, payload = ''] = String(json['id_token']).split('.');
      ({ sid } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sid: string });
      return json;
    });
    await connect(browser);
    const token = await logoutToken(partner, 'at-partner', { sid, sub: 'zoe' });
    expect(await backchannel(bff, token)).toBe(400);
    expect(await call(browser, '/partner/x')).toEqual([200, undefined]);
  });

  it('of the provider of the sign-in ends everything', async () => {
    await using all = await startTwoProviders();
    const { bff, partner } = all;
    const browser = await connected(bff);
    const token = await logoutToken(bff.authorizationServer, 'test-client', { sub: 'alice' });
    expect(await backchannel(bff, token)).toBe(200);
    expect(await call(browser, '/partner/x')).toEqual([401, 'not_signed_in']);
    expect(await keysOf(bff, 'session')).toEqual([]);
    await waitFor(() => partner.requestsTo('revocation').length === 1);
  });

  it('that comes while the account is being connected leaves it unconnected', async () => {
    await using all = await startTwoProviders();
    const { bff, partner } = all;
    const browser = await bff.signedIn();
    const token = await logoutToken(partner, 'at-partner', { sub: 'al' });
    partner.transform('token', async (json) => {
      expect(await backchannel(bff, token)).toBe(200);
      return json;
    });
    const page = await connect(browser);
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
    expect(await call(browser, '/partner/x')).toEqual([401, 'not_signed_in']);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('does not end the session of a user who has only connected another’s account', async () => {
    await using all = await startTwoProviders();
    const { bff } = all;
    const alice = await connected(bff);
    const al = bff.browser();
    await bff.signIn(al, { provider: 'partner' });
    await expect(whoIs(al)).resolves.toBe('al');
    const listed = (await (await al.fetch('/bff/sessions')).json()) as unknown[];
    expect(listed).toHaveLength(1);
    expect((await al.fetch('/bff/sessions', { method: 'DELETE' })).status).toBe(204);
    await expect(whoIs(alice)).resolves.toBe('alice');
    expect(await call(alice, '/partner/x')).toEqual([200, undefined]);
  });
});

describe('connecting', () => {
  it('is refused when signed out, for the session’s own provider, and for unknown ones', async () => {
    await using all = await startTwoProviders();
    const { bff, partner } = all;
    const signedOut = await bff.browser().navigate('/bff/connect/partner');
    expect([signedOut.status, errorCode(signedOut)]).toEqual([401, 'not_signed_in']);
    const browser = await bff.signedIn();
    const own = await browser.click('/bff/connect/corp');
    expect([own.status, errorCode(own)]).toEqual([400, 'invalid_request']);
    const unknown = await browser.click('/bff/connect/nobody');
    expect([unknown.status, errorCode(unknown)]).toEqual([404, 'unknown_provider']);
    const evil = await browser.click('/bff/connect/partner?returnUrl=//evil.example');
    expect([evil.status, errorCode(evil)]).toEqual([400, 'invalid_return_url']);
    const circle = await browser.click('/bff/connect/partner?returnUrl=/bff/connect/partner');
    expect([circle.status, errorCode(circle)]).toEqual([400, 'invalid_return_url']);
    expect(partner.authorizationRequests()).toEqual([]);
  });

  it.each([
    ['HEAD', '/bff/connect/partner', 405],
    ['POST', '/bff/connect/partner', 405],
    ['GET', '/bff/disconnect/partner', 405],
    ['GET', '/bff/connect', 404],
    ['GET', '/bff/connect/partner/x', 404],
  ])('has exactly its methods and addresses: %s %s', async (method, path, status) => {
    await using bff = await startBff();
    expect((await (await bff.signedIn()).fetch(path, { method, headers: asProgram })).status).toBe(
      status,
    );
  });

  it('is refused to links of other sites, although the cookie may come with them', async () => {
    await using all = await startTwoProviders({ session: { sameSite: 'lax' } });
    const { bff, partner } = all;
    const browser = await bff.signedIn();
    const from = 'https://evil.example/';
    const page = await browser.navigate(`${bff.url}/bff/connect/partner`, { from });
    expect([page.status, errorCode(page)]).toEqual([403, 'csrf']);
    expect(partner.authorizationRequests()).toEqual([]);
  });

  it('to a session that has ended meanwhile connects nothing, and revokes what it got', async () => {
    await using all = await startTwoProviders();
    const { bff, partner } = all;
    const browser = await bff.signedIn();
    const callback = await untilCallback(bff, browser);
    await browser.fetch('/bff/logout', { method: 'POST' });
    const page = await visitCallback(bff, browser, callback);
    expect([page.status, errorCode(page)]).toEqual([400, 'session_mismatch']);
    await expect(whoIs(browser)).resolves.toBeUndefined();
    await waitFor(() => partner.requestsTo('revocation').length === 1);
    expect(await keysOf(bff, 'session')).toEqual([]);
  });

  it.each(['strict', 'lax'] as const)(
    'never ends in the session of who signed in meanwhile (%s)',
    async (sameSite) => {
      await using all = await startTwoProviders({ session: { sameSite } });
      const { bff, partner } = all;
      const browser = await bff.signedIn();
      const callback = await untilCallback(bff, browser);
      await bff.signedIn('bob', browser);
      const page = await visitCallback(bff, browser, callback);
      expect([page.status, errorCode(page)]).toEqual([400, 'session_mismatch']);
      await expect(whoIs(browser)).resolves.toBe('bob');
      expect(await call(browser, '/partner/x')).toEqual([401, 'not_signed_in']);
      // Where the cookie came along the code was not even spent.
      expect(partner.tokenRequests()).toHaveLength(sameSite === 'lax' ? 0 : 1);
    },
  );

  it('is not finished by another browser, nor twice', async () => {
    await using all = await startTwoProviders();
    const { bff, partner } = all;
    const [alice, bob] = [await bff.signedIn(), await bff.signedIn('bob')];
    const callback = await untilCallback(bff, alice);
    const stolen = await visitCallback(bff, bob, callback);
    expect([stolen.status, errorCode(stolen)]).toEqual([400, 'login_expired']);
    expect(stolen.headers.get('refresh')).toBeNull();
    expect(await call(bob, '/partner/x')).toEqual([401, 'not_signed_in']);
    expect(partner.tokenRequests()).toEqual([]);
    const replays = await Promise.all(
      Array.from({ length: 5 }, () => visitCallback(bff, alice, callback)),
    );
    expect(replays.filter(({ status }) => status === 302)).toHaveLength(1);
    expect(partner.tokenRequests()).toHaveLength(1);
    expect(await call(alice, '/partner/x')).toEqual([200, undefined]);
  });

  it('is not finished with a login cookie from before it (account planted by another session)', async () => {
    await using all = await startTwoProviders();
    const { bff, partner } = all;
    const browser = await bff.signedIn();
    const before = browser.cookieHeader();
    const callback = await untilCallback(bff, browser);
    const first = browser.cookieHeader();
    await untilCallback(bff, browser);
    for (const cookie of [before, browser.cookieHeader()]) {
      const page = await bff.browser().navigate(callback.href, {
        redirect: 'manual',
        headers: { ...asProgram, cookie: cookie.replace(/\bbff=[^;]*/, '') },
      });
      expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
    }
    expect(partner.tokenRequests()).toEqual([]);
    // The cookie of this attempt still completes it.
    const page = await bff.browser().navigate(callback.href, {
      redirect: 'manual',
      headers: { cookie: first },
    });
    expect(page.status).toBe(302);
    expect(await call(browser, '/partner/x')).toEqual([200, undefined]);
  });

  it('leaves the sign-ins of other tabs bound to the browser', async () => {
    await using all = await startTwoProviders();
    const { bff } = all;
    const browser = await bff.signedIn();
    const login = await signInUntilCallback(bff, browser, { returnUrl: '/other-tab' });
    await untilCallback(bff, browser);
    const page = await visitCallback(bff, browser, login);
    expect([page.status, page.headers.get('location')]).toEqual([302, '/other-tab']);
  });

  it('that is denied leaves everything as it was', async () => {
    await using all = await startTwoProviders();
    const { bff, partner } = all;
    const browser = await bff.signedIn();
    partner.interaction = 'deny';
    const page = await connect(browser);
    expect([page.status, errorCode(page)]).toEqual([403, 'login_denied']);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('requests the sign-in that a route of the account requires', async () => {
    await using all = await startTwoProviders({
      routes: (usual, { upstream: { url } }) => [
        usual,
        { path: '/vault', upstream: url, provider: 'partner', acr: 'urn:test:mfa' },
      ],
    });
    const { bff, upstream } = all;
    const browser = await connected(bff);
    const refused = await browser.fetch('/vault/x');
    const { loginUrl = '', code } = (await refused.json()) as { loginUrl?: string; code: string };
    expect([refused.status, code]).toEqual([401, 'step_up_required']);
    expect(loginUrl).toBe('/bff/connect/partner?acr_values=urn%3Atest%3Amfa');
    expect(upstream.requests).toEqual([]);
    await browser.click(loginUrl);
    expect(await call(browser, '/vault/x')).toEqual([200, undefined]);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });
});
