import { providerAt } from '../support/authorization-server/provider-at.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { type BffOverrides, startBff, type TestBff } from '../support/bff/bff.ts';
import { testClock, type TestClock } from '../support/time/clock.ts';
import { statusesAt } from './logout-tokens.ts';
import { errorCode, untilCallback } from './steps.ts';

/** A BFF with the sessions of another, whose provider `corp` means something else. */
function startAfter(before: TestBff, changes: BffOverrides): Promise<TestBff> {
  const { url, keyPrefix } = before.redis;
  return startBff({ redis: { url, keyPrefix }, ...changes });
}

const requestsAt = (server: AuthorizationServer) =>
  [...server.requestsTo('token'), ...server.requestsTo('revocation')].map(({ form }) => [...form]);

async function statusOf(bff: TestBff, cookie: string, path: string, method = 'GET') {
  const headers = { cookie, 'x-csrf': '1' };
  const response = await fetch(`http://127.0.0.1:${bff.port}${path}`, { method, headers });
  return { status: response.status, body: await response.text() };
}

describe('a provider id that now means another issuer or client', () => {
  let clock: TestClock;
  let before: TestBff;
  beforeEach(async () => {
    clock = testClock();
    before = await startBff({ clock: clock.now, authorizationServer: { accessTokenSeconds: 60 } });
  });
  const partners: AuthorizationServer[] = [];
  afterEach(async () => {
    await before.close();
    await Promise.all(partners.splice(0).map((partner) => partner.close()));
  });

  it('gets no token of an old session, which is over (re-pointed provider)', async () => {
    await using after = await startAfter(before, { clock: clock.now });
    const browser = await before.signedIn();
    const cookie = browser.cookieHeader();
    clock.advance(61_000);

    const called = await statusOf(after, cookie, '/api/x');
    expect([called.status, errorCode(called)]).toEqual([401, 'not_signed_in']);
    expect(await statusesAt(after, browser)).toEqual([401, 401]);
    expect((await statusOf(after, cookie, '/bff/sessions')).status).toBe(401);
    const out = await statusOf(after, cookie, '/bff/logout', 'POST');
    expect(out).toEqual({ status: 200, body: '{"location":"/"}' });
    await after.signedIn('alice', browser);
    expect(after.authorizationServer.requestsTo('revocation')).toEqual([]);
    expect(requestsAt(after.authorizationServer)).toHaveLength(1);
  });

  it('gets no token when it is another client of the same issuer', async () => {
    const { authorizationServer } = before;
    const browser = await before.signedIn();
    authorizationServer.registerClient({ client_id: 'other' });
    await using after = await startAfter(before, {
      clock: clock.now,
      authorizationServer,
      provider: { clientId: 'other' },
    });
    clock.advance(61_000);
    const requests = requestsAt(authorizationServer).length;
    expect(await statusesAt(after, browser)).toEqual([401, 401]);
    expect(requestsAt(authorizationServer)).toHaveLength(requests);
  });

  it('is not one whose session goes on elsewhere', async () => {
    const { authorizationServer } = before;
    const browser = await before.signedIn();
    await using after = await startAfter(before, { clock: clock.now, authorizationServer });
    clock.advance(61_000);
    expect(await statusesAt(after, browser)).toEqual([200, 200]);
  });

  it('gets no code that the other one has issued', async () => {
    const browser = before.browser();
    const callback = await untilCallback(before, browser);
    await using after = await startAfter(before, {});
    const page = await statusOf(after, browser.cookieHeader(), callback.pathname + callback.search);
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
    expect(requestsAt(after.authorizationServer)).toEqual([]);
  });

  it('is not connected any more, and the session goes on', async () => {
    const [old, next] = [
      await startAuthorizationServer({ clientId: 'at-partner', accessTokenSeconds: 60 }),
      await startAuthorizationServer({ clientId: 'at-partner' }),
    ];
    partners.push(old, next);
    const { authorizationServer } = before;
    const at = (partner: AuthorizationServer): BffOverrides => ({
      clock: clock.now,
      authorizationServer,
      providers: (usual) => [usual, providerAt(partner)],
      routes: (usual, { upstream: { url } }) => [
        usual,
        { path: '/partner', upstream: url, provider: 'partner' },
      ],
    });
    await using first = await startAfter(before, at(old));
    await using second = await startAfter(before, at(next));
    old.registerClient({ redirect_uris: [`${first.url}/bff/callback/partner`] });
    const browser = await first.signedIn();
    await browser.click('/bff/connect/partner');
    const cookie = browser.cookieHeader();
    expect((await statusOf(first, cookie, '/partner/x')).status).toBe(200);
    clock.advance(61_000);

    const refused = await statusOf(second, cookie, '/partner/x');
    expect([refused.status, errorCode(refused)]).toEqual([401, 'not_signed_in']);
    const user = await statusOf(second, cookie, '/bff/user');
    expect([user.status, JSON.parse(user.body)]).toEqual([
      200,
      expect.not.objectContaining({ connections: expect.anything() }),
    ]);
    expect((await statusOf(second, cookie, '/bff/logout', 'POST')).status).toBe(200);
    expect(requestsAt(next)).toEqual([]);
  });
});
