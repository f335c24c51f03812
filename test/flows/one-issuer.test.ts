import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { logoutToken, send, sidIn } from './logout-tokens.ts';
import { beginLogin, errorCode, untilCallback, visitCallback, whoIs } from './steps.ts';

const token = 'a-management-token-that-is-long-enough';

const whoAreSignedIn = (browsers: readonly TestBrowser[]) =>
  Promise.all(browsers.map((browser) => whoIs(browser)));

describe('two clients of one issuer', () => {
  let bff: TestBff;
  beforeAll(async () => {
    bff = await startBff({
      authorizationServer: { backchannelLogout: true },
      management: { token },
      provider: { frontchannelLogout: true },
      providers: (usual) => [
        usual,
        { ...usual, id: 'admin', clientId: 'admin-client', frontchannelLogout: false },
      ],
      routes: (usual, { upstream: { url } }) => [
        usual,
        { path: '/admin', upstream: url, provider: 'admin' },
      ],
    });
    bff.authorizationServer.registerClient({
      client_id: 'admin-client',
      redirect_uris: [`${bff.url}/bff/callback/admin`, `${bff.url}/bff/callback`],
      backchannel_logout_uri: `${bff.url}/bff/backchannel`,
      backchannel_logout_session_required: true,
    });
  });
  afterAll(() => bff.close());
  beforeEach(async () => {
    await bff.redis.clear();
    bff.authorizationServer.behave();
    bff.authorizationServer.requests.length = 0;
  });

  const signedInAt = async (provider: string) => {
    const browser = bff.browser();
    await bff.signIn(browser, { provider, login_hint: 'alice' });
    return browser;
  };
  const both = () => Promise.all([signedInAt('corp'), signedInAt('admin')]);
  const signOut = async (claims: object) =>
    (await send(bff, await logoutToken(bff.authorizationServer, { ...claims }))).status;

  it.each([
    ['test-client', [undefined, 'alice']],
    ['admin-client', ['alice', undefined]],
    [['admin-client'], ['alice', undefined]],
    [
      ['test-client', 'admin-client'],
      [undefined, undefined],
    ],
    [
      ['a stranger', 'admin-client'],
      ['alice', undefined],
    ],
  ])('are distinguished by the aud of a logout token: %j', async (aud, left) => {
    const browsers = await both();
    expect(await signOut({ sub: 'alice', aud })).toBe(200);
    expect(await whoAreSignedIn(browsers)).toEqual(left);
  });

  it('are not ended by a token for a third client', async () => {
    const browsers = await both();
    expect(await signOut({ sub: 'alice', aud: 'another' })).toBe(400);
    expect(await whoAreSignedIn(browsers)).toEqual(['alice', 'alice']);
  });

  it('use a logout token for both once', async () => {
    const aud = ['test-client', 'admin-client'];
    const encoded = await logoutToken(bff.authorizationServer, { sub: 'alice', aud });
    expect((await send(bff, encoded)).status).toBe(200);
    const browsers = await both();
    expect((await send(bff, encoded)).status).toBe(400);
    const jti = crypto.randomUUID();
    expect(await signOut({ sub: 'alice', aud: 'test-client', jti })).toBe(200);
    expect(await signOut({ sub: 'alice', aud: 'admin-client', jti })).toBe(400);
    expect(await whoAreSignedIn(browsers)).toEqual([undefined, 'alice']);
  });

  it.each([
    ['admin', 'test-client', 'alice'],
    ['admin', 'admin-client', undefined],
    ['corp', 'admin-client', 'alice'],
    ['corp', 'test-client', undefined],
  ])('a sign-in at %s during a logout of %s leaves %s', async (provider, aud, who) => {
    bff.authorizationServer.transform('token', async (json) => {
      expect(await signOut({ sub: 'alice', aud })).toBe(200);
      return json;
    });
    await expect(whoIs(await signedInAt(provider))).resolves.toBe(who);
  });

  it('have the same user, who sees and ends all sessions', async () => {
    const [here, there] = await both();
    const listed = await here.fetch('/bff/sessions');
    const sessions = (await listed.json()) as { provider: string }[];
    expect(sessions.map(({ provider }) => provider).toSorted()).toEqual(['admin', 'corp']);
    const init = { headers: { authorization: `Bearer ${token}` } };
    const managed = await fetch(`${bff.managementUrl}/sessions?sub=alice`, init);
    expect(await managed.json()).toHaveLength(2);
    expect((await here.fetch('/bff/sessions', { method: 'DELETE' })).status).toBe(204);
    expect(await whoAreSignedIn([here, there])).toEqual(['alice', undefined]);
    await signedInAt('admin');
    const all = { ...init, method: 'DELETE' };
    expect((await fetch(`${bff.managementUrl}/sessions?sub=alice`, all)).status).toBe(204);
    expect(await whoAreSignedIn([here])).toEqual([undefined]);
  });

  it('have accounts in one session, of which a logout token takes its own', async () => {
    const browser = await signedInAt('corp');
    const connect = () => browser.click('/bff/connect/admin?login_hint=alice');
    await connect();
    const status = async (path: string) => (await browser.fetch(path)).status;
    expect([await status('/api/x'), await status('/admin/x')]).toEqual([200, 200]);
    expect(await signOut({ sub: 'alice', aud: 'admin-client' })).toBe(200);
    expect([await status('/api/x'), await status('/admin/x')]).toEqual([200, 401]);
    await connect();
    expect(await signOut({ sub: 'alice', aud: 'test-client' })).toBe(200);
    expect([await status('/api/x'), await status('/admin/x')]).toEqual([401, 401]);
  });

  it('are distinguished by frontchannelLogout, which only one has', async () => {
    const sids: string[] = [];
    bff.authorizationServer.transform('token', (json) => {
      sids.push(sidIn(json['id_token']));
      return json;
    });
    const browsers = [await signedInAt('corp'), await signedInAt('admin')];
    expect(await whoAreSignedIn(browsers)).toEqual(['alice', 'alice']);
    for (const sid of sids) {
      const query = new URLSearchParams({ iss: bff.authorizationServer.issuer, sid });
      expect((await fetch(`http://127.0.0.1:${bff.port}/bff/frontchannel?${query}`)).status).toBe(
        200,
      );
    }
    expect(await whoAreSignedIn(browsers)).toEqual([undefined, 'alice']);
  });

  it.each([
    ['corp', '/bff/callback/admin'],
    ['admin', '/bff/callback'],
  ])('cannot finish what was begun at %s (mix-up, equal iss)', async (provider, pathname) => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser, { provider });
    expect(callback.searchParams.get('iss')).toBe(bff.authorizationServer.issuer);
    const elsewhere = Object.assign(new URL(callback), { pathname });
    const page = await visitCallback(bff, browser, elsewhere);
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
    expect(bff.authorizationServer.tokenRequests()).toEqual([]);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('are one issuer for a sign-in begun elsewhere, which goes to the first', async () => {
    const { issuer: iss } = bff.authorizationServer;
    const { request } = await beginLogin(bff, bff.browser(), { iss });
    expect(request.searchParams.get('client_id')).toBe('test-client');
  });
});
