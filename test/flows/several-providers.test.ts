import { providerAt } from '../support/authorization-server/provider-at.ts';
import {
  startAuthorizationServer,
  type AuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { beginLogin, changed, errorCode, untilCallback, visitCallback, whoIs } from './steps.ts';

describe('two providers', () => {
  let partner: AuthorizationServer;
  let bff: TestBff;
  beforeAll(async () => {
    const people = { alice: { name: 'Another Alice', email: 'alice@partner.example' } };
    partner = await startAuthorizationServer({ people, clientId: 'at-partner' });
    bff = await startBff({
      providers: (usual) => [usual, providerAt(partner)],
    });
    partner.registerClient({
      redirect_uris: [`${bff.url}/bff/callback/partner`, `${bff.url}/bff/callback`],
      post_logout_redirect_uris: [`${bff.url}/bff/logout/callback`],
    });
  });
  afterAll(async () => {
    await bff.close();
    await partner.close();
  });
  beforeEach(() => {
    partner.requests.length = 0;
    bff.authorizationServer.requests.length = 0;
  });

  it('have a callback address each; the first one is the default', async () => {
    const requestWith = async (parameters: Record<string, string>) => {
      const { request } = await beginLogin(bff, bff.browser(), parameters);
      return [
        request.origin,
        request.searchParams.get('redirect_uri'),
        request.searchParams.get('client_id'),
      ];
    };
    const corp = [bff.authorizationServer.issuer, `${bff.url}/bff/callback`, 'test-client'];
    expect(await requestWith({})).toEqual(corp);
    expect(await requestWith({ provider: 'corp' })).toEqual(corp);
    expect(await requestWith({ provider: 'partner' })).toEqual([
      partner.issuer,
      `${bff.url}/bff/callback/partner`,
      'at-partner',
    ]);
  });

  it('give two users, though both are called alice', async () => {
    const [here, there] = [bff.browser(), bff.browser()];
    await bff.signIn(here);
    await bff.signIn(there, { provider: 'partner' });
    const users = await Promise.all(
      [here, there].map(async (browser) => (await browser.fetch('/bff/user')).json()),
    );
    expect(users).toEqual([
      expect.objectContaining({
        sub: 'alice',
        provider: 'corp',
        claims: expect.objectContaining({ name: 'Alice Adams' }),
      }),
      expect.objectContaining({
        sub: 'alice',
        provider: 'partner',
        claims: expect.objectContaining({ name: 'Another Alice' }),
      }),
    ]);
  });

  it('cannot finish what was begun at the other (mix-up)', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser, { provider: 'partner' });
    expect(callback.pathname).toBe('/bff/callback/partner');
    const elsewhere = new URL(callback);
    elsewhere.pathname = '/bff/callback';
    for (const iss of [partner.issuer, bff.authorizationServer.issuer]) {
      const page = await visitCallback(bff, browser, changed(elsewhere, { iss }));
      expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
    }
    expect(bff.authorizationServer.tokenRequests()).toEqual([]);
    expect(partner.tokenRequests()).toEqual([]);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('cannot respond for each other at the right address either', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser, { provider: 'partner' });
    const page = await visitCallback(
      bff,
      browser,
      changed(callback, { iss: bff.authorizationServer.issuer }),
    );
    expect([page.status, errorCode(page)]).toEqual([400, 'invalid_request']);
    expect(partner.tokenRequests()).toEqual([]);
  });

  it('are each tried again where they were begun, when another tab has taken the cookie', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser, { provider: 'partner' });
    await bff.redis.clear();
    const page = await visitCallback(bff, browser, callback);
    expect(page.headers.get('refresh')).toBe('0;url=/bff/login?secondTry=1&provider=partner');
  });

  it('each get the request to end what they began', async () => {
    const browser = bff.browser();
    await bff.signIn(browser, { provider: 'partner' });
    const response = await browser.fetch('/bff/logout', { method: 'POST' });
    const { location } = (await response.json()) as { location: string };
    expect(location).toContain(`${partner.issuer}/session/end?`);
    expect(location).toContain('client_id=at-partner');
    expect(partner.requestsTo('revocation')).toHaveLength(1);
    expect(bff.authorizationServer.requestsTo('revocation')).toEqual([]);
  });

  it('do not fall together: while one is down the other signs in', async () => {
    await partner.goDown();
    const browser = await bff.signedIn();
    await expect(whoIs(browser)).resolves.toBe('alice');
    await partner.comeBack();
  });
});
