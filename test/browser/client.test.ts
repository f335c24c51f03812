/// <reference lib="dom" />
import type { Server } from 'node:http';
import type { BrowserContext, Page } from 'playwright-core';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { describeInChromium } from '../support/browser/chromium.ts';
import { startRedis } from '../support/redis/redis.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { freePort } from '../support/network/ports.ts';
import { startReverseProxy } from '../support/network/reverse-proxy.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { signOut } from '../flows/logout-tokens.ts';
import { clientPage, openStreams, openTab, says, stateOf } from './client-page.ts';

const alice = 'Hello, Alice Adams';
const managementToken = 'a-token-of-the-operator-long-enough-for-tests';

describeInChromium('the browser client, in Chromium', (open) => {
  let web: Upstream;
  let bff: TestBff;

  beforeAll(async () => {
    web = await startUpstream(clientPage());
    bff = await startBff({
      frontend: { url: web.url, contentSecurityPolicy: 'off' },
      authorizationServer: { backchannelLogout: true },
    });
  });
  afterAll(async () => {
    await bff.close();
    await web.close();
  });

  /** Signs Alice in, and opens tabs that say so. */
  async function signedIn(tabs = 1): Promise<{ context: BrowserContext; tabs: Page[] }> {
    const context = await open();
    const first = await openTab(context, bff.url);
    await says(first, 'signed-out ');
    await first.evaluate(() => void window.client.login());
    await says(first, alice);
    const others = Array.from({ length: tabs - 1 }, () => openTab(context, bff.url));
    const all = [first, ...(await Promise.all(others))];
    await Promise.all(all.map((tab) => says(tab, alice)));
    return { context, tabs: all };
  }

  /** Milliseconds from this time until a tab was shown as signed out. */
  async function delays(tabs: readonly Page[], since: number): Promise<number[]> {
    const ends = tabs.map((tab) =>
      tab.evaluate(() => window.shown.find(({ state }) => state.status === 'signed-out')?.at),
    );
    return (await Promise.all(ends)).map((at = Infinity) => at - since);
  }

  describe('in three tabs', () => {
    it('opens one event stream for all, and another tab takes it over', async () => {
      const { tabs } = await signedIn(3);
      await waitFor(async () => (await openStreams(tabs)) === 1);
      const counts = await Promise.all(
        tabs.map((tab) => tab.evaluate(() => window.streams.length)),
      );
      expect(counts.reduce((sum, count) => sum + count)).toBe(1);
      const leader = tabs[counts.indexOf(1)];
      await leader?.close();
      const left = tabs.filter((tab) => tab !== leader);
      await waitFor(async () => (await openStreams(left)) === 1);
    });

    it('shows within a second that one of them signed out', async () => {
      const { tabs } = await signedIn(3);
      const [first, ...others] = tabs as [Page, ...Page[]];
      await waitFor(async () => (await openStreams(tabs)) === 1);
      const since = Date.now();
      await first.evaluate(() => void window.client.logout());
      await Promise.all(others.map((tab) => says(tab, 'signed-out signed_out')));
      for (const delay of await delays(others, since)) expect(delay).toBeLessThan(1000);
      await says(first, 'signed-out ');
    });

    it('shows within a second a logout by the provider', async () => {
      const { tabs } = await signedIn(3);
      await waitFor(async () => (await openStreams(tabs)) === 1);
      const since = Date.now();
      expect(await signOut(bff, { sub: 'alice' })).toBe(200);
      await Promise.all(tabs.map((tab) => says(tab, 'signed-out signed_out')));
      for (const delay of await delays(tabs, since)) expect(delay).toBeLessThan(1000);
    });

    it('shows a sign-in of one of them in all', async () => {
      const context = await open();
      const tabs = await Promise.all([1, 2, 3].map(() => openTab(context, bff.url)));
      await Promise.all(tabs.map((tab) => says(tab, 'signed-out ')));
      await tabs[0]?.evaluate(() => void window.client.login());
      await Promise.all(tabs.map((tab) => says(tab, alice)));
      expect(bff.authorizationServer.authorizationRequests().length).toBeGreaterThan(0);
    });
  });

  /** Takes the network from a browser. Playwright alone leaves open connections as they are. */
  async function goOffline(context: BrowserContext, tabs: readonly Page[]): Promise<void> {
    await waitFor(async () => (await openStreams(tabs)) === 1);
    await context.setOffline(true);
    (bff.app.getHttpServer() as Server).closeAllConnections();
    await waitFor(async () => (await openStreams(tabs)) === 0);
  }

  describe('without a network', () => {
    it('stays signed in, and is told of events again afterwards', async () => {
      const { context, tabs } = await signedIn(2);
      await goOffline(context, tabs);
      for (const tab of tabs) expect((await stateOf(tab)).status).toBe('signed-in');
      await context.setOffline(false);
      await waitFor(async () => (await openStreams(tabs)) === 1);
      expect(await signOut(bff, { sub: 'alice' })).toBe(200);
      await Promise.all(tabs.map((tab) => says(tab, 'signed-out signed_out')));
    });

    it('notices the end of the session as soon as the network is back', async () => {
      const { context, tabs } = await signedIn(2);
      await goOffline(context, tabs);
      expect(await signOut(bff, { sub: 'alice' })).toBe(200);
      for (const tab of tabs) expect((await stateOf(tab)).status).toBe('signed-in');
      const since = Date.now();
      await context.setOffline(false);
      await Promise.all(tabs.map((tab) => says(tab, 'signed-out signed_out')));
      for (const delay of await delays(tabs, since)) expect(delay).toBeLessThan(1000);
    });

    it('says why it is not known who is signed in, and knows as soon as the network is back', async () => {
      const { context, tabs } = await signedIn();
      const page = tabs[0] as Page;
      await context.setOffline(true);
      const state = await page.evaluate(async () => {
        window.client = window.createBffClient();
        const error = await window.client.getUser().catch(({ code }: { code: string }) => code);
        return { error, snapshot: window.client.getSnapshot() };
      });
      expect(state).toEqual({
        error: 'network_error',
        snapshot: { status: 'loading', reason: 'network_error' },
      });
      await context.setOffline(false);
      await waitFor(async () => (await stateOf(page)).status === 'signed-in');
    });
  });

  describe('when the session ends by itself', () => {
    it('warns, and says in every tab that it has expired', async () => {
      await using short = await startBff({
        store: 'memory',
        frontend: { url: web.url, contentSecurityPolicy: 'off' },
        session: { idle: '2s' },
      });
      const context = await open();
      const first = await openTab(context, short.url);
      await first.evaluate(() => void window.client.login());
      await says(first, alice);
      const tabs = [first, await openTab(context, short.url)];
      await Promise.all(tabs.map((tab) => says(tab, 'signed-out expired')));
      for (const tab of tabs) {
        const reasons = await tab.evaluate(() => window.shown.map(({ state }) => state.reason));
        expect(reasons).toContain('expiring');
      }
    });

    it('goes on when its user is active', async () => {
      await using short = await startBff({
        store: 'memory',
        frontend: { url: web.url, contentSecurityPolicy: 'off' },
        session: { idle: '4s' },
      });
      const page = await openTab(await open(), short.url);
      await page.evaluate(() => void window.client.login());
      await says(page, alice);
      await waitFor(async () => (await stateOf(page)).reason === 'expiring');
      const before = (await stateOf(page)).expiresAt ?? 0;
      await page.evaluate(() => window.client.getUser());
      await waitFor(async () => (await stateOf(page)).reason === undefined);
      const { status, expiresAt = 0 } = await stateOf(page);
      expect(status).toBe('signed-in');
      expect(expiresAt).toBeGreaterThan(before);
    });
  });

  it('tells all tabs of all browsers on all replicas within a second, whoever ends the session', async () => {
    await using several = await startBff({
      server: { port: await freePort() },
      frontend: { url: web.url, contentSecurityPolicy: 'off' },
      management: { token: managementToken },
    });
    const replica = await several.replica();
    await using balancer = await startReverseProxy(Number(new URL(several.url).port), several.port);
    const tabs: Page[] = [];
    for (const { port } of [several, replica]) {
      balancer.target = port;
      const context = await open();
      const first = await openTab(context, several.url);
      await first.evaluate(() => void window.client.login());
      await says(first, alice);
      tabs.push(first, await openTab(context, several.url));
    }
    await Promise.all(tabs.map((tab) => says(tab, alice)));
    await waitFor(async () => (await openStreams(tabs)) === 2);
    const since = Date.now();
    const response = await fetch(`${several.managementUrl}/sessions?sub=alice`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${managementToken}` },
    });
    expect(response.status).toBe(204);
    await Promise.all(tabs.map((tab) => says(tab, 'signed-out signed_out')));
    for (const delay of await delays(tabs, since)) expect(delay).toBeLessThan(1000);
  });

  describe('in a browser without', () => {
    /** A browser whose pages lack some API from the start. */
    async function without(script: string): Promise<Page[]> {
      const context = await open();
      await context.addInitScript(script);
      const first = await openTab(context, bff.url);
      await first.evaluate(() => void window.client.login());
      await says(first, alice);
      const tabs = [first, await openTab(context, bff.url)];
      await Promise.all(tabs.map((tab) => says(tab, alice)));
      return tabs;
    }

    it.each([
      ['Web Locks', 'delete Navigator.prototype.locks'],
      ['BroadcastChannel', 'delete window.BroadcastChannel'],
      ['permission for locks', 'navigator.locks.request = async () => { throw new Error() }'],
    ])('%s, each tab has an event stream of its own', async (_api, script) => {
      const tabs = await without(script);
      await waitFor(async () => (await openStreams(tabs)) === 2);
      expect(await signOut(bff, { sub: 'alice' })).toBe(200);
      await Promise.all(tabs.map((tab) => says(tab, 'signed-out signed_out')));
    });
  });

  it('stays signed in while Redis is down, and is told of events again afterwards', async () => {
    const redis = await startRedis();
    await using other = await startBff({
      redis: { url: redis.url },
      frontend: { url: web.url, contentSecurityPolicy: 'off' },
    });
    const page = await openTab(await open(), other.url);
    await page.evaluate(() => void window.client.login());
    await says(page, alice);
    await waitFor(async () => (await openStreams([page])) === 1);
    redis.pause();
    (other.app.getHttpServer() as Server).closeAllConnections();
    await waitFor(() => other.logs.text.includes('session_store_unavailable'));
    expect((await stateOf(page)).status).toBe('signed-in');
    redis.resume();
    await waitFor(async () => (await openStreams([page])) === 1);
    expect(await signOut(other, { sub: 'alice' })).toBe(200);
    await says(page, 'signed-out signed_out');
    await other.close();
    await redis.stop();
  });

  it('changes to another user in every tab', async () => {
    const { tabs } = await signedIn(2);
    const [first, second] = tabs as [Page, Page];
    await first.goto(`${bff.url}/bff/login?login_hint=bob&prompt=login&returnUrl=/`);
    await Promise.all([first, second].map((tab) => says(tab, 'Hello, Bob Brown')));
    expect((await stateOf(second)).user?.sub).toBe('bob');
  });

  it('asks once for all who ask at the same time', async () => {
    const { tabs } = await signedIn();
    const page = tabs[0] as Page;
    const requests: string[] = [];
    page.on('request', (request) => requests.push(new URL(request.url()).pathname));
    const users = await page.evaluate(() =>
      Promise.all([1, 2, 3].map(() => window.client.getUser())),
    );
    expect(users.map((user) => user?.sub)).toEqual(['alice', 'alice', 'alice']);
    expect(requests).toEqual(['/bff/user']);
  });

  it('understands both formats of the user, and both responses without one', async () => {
    await using other = await startBff({
      store: 'memory',
      user: { format: 'claims-array', anonymous: 200 },
      frontend: { url: web.url, contentSecurityPolicy: 'off' },
    });
    const page = await openTab(await open(), other.url);
    await says(page, 'signed-out ');
    expect(await page.evaluate(() => window.client.getUser())).toBeNull();
    await page.evaluate(() => void window.client.login());
    await says(page, alice);
    const { user, expiresAt = 0 } = await stateOf(page);
    expect(user).toMatchObject({ sub: 'alice', claims: { email: 'alice@example.com' } });
    expect(user?.session.id).toBe(
      new URL(user?.logoutUrl ?? '', other.url).searchParams.get('sid'),
    );
    expect(expiresAt).toBeGreaterThan(Date.now());
  });

  it('leaves no lock behind when its last listener is removed', async () => {
    const { tabs } = await signedIn();
    const locks = await (tabs[0] as Page).evaluate(async () => {
      const other = window.createBffClient();
      const remove = [other.subscribe(() => {}), other.subscribe(() => {})];
      const before = await navigator.locks.query();
      for (const each of remove) each();
      const after = await navigator.locks.query();
      return [before, after].map(({ held, pending }) => [held?.length, pending?.length]);
    });
    expect(locks).toEqual([
      [1, 1],
      [1, 0],
    ]);
  });

  it('takes the event stream from a tab that the browser has suspended, and leaves it to it again', async () => {
    const { tabs } = await signedIn(2);
    await waitFor(async () => (await openStreams(tabs)) === 1);
    const counts = await Promise.all(tabs.map((tab) => openStreams([tab])));
    const [leader, other] = (counts[0] === 1 ? tabs : tabs.toReversed()) as [Page, Page];
    const suspended = leader.evaluate(() => {
      const end = Date.now() + 3000;
      while (Date.now() < end);
    });
    await other.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await waitFor(async () => (await openStreams([other])) === 1);
    await suspended;
    await waitFor(async () => (await openStreams(tabs)) === 1);
    await other.close();
    await waitFor(async () => (await openStreams([leader])) === 1);
    expect(await signOut(bff, { sub: 'alice' })).toBe(200);
    await says(leader, 'signed-out signed_out');
  });

  it('keeps no stream for a page that was left, and checks the session when it is shown again', async () => {
    const { tabs } = await signedIn();
    const page = tabs[0] as Page;
    await waitFor(async () => (await openStreams(tabs)) === 1);
    await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pagehide')));
    await waitFor(async () => (await openStreams(tabs)) === 0);
    expect(await signOut(bff, { sub: 'alice' })).toBe(200);
    expect((await stateOf(page)).status).toBe('signed-in');
    await page.evaluate(() =>
      dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })),
    );
    await says(page, 'signed-out signed_out');
  });
});
