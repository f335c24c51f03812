import { startBff, type TestBff } from '../support/bff/bff.ts';
import { errorCode, keysOf, untilCallback, visitCallback, whoIs } from './steps.ts';

const tabs = Array.from({ length: 10 }, (_, n) => n);
const orders: Record<string, number[]> = {
  'in the order they began': tabs,
  'in the opposite order': tabs.toReversed(),
  'in any order': [3, 9, 0, 7, 5, 1, 8, 2, 6, 4],
};

describe('ten tabs of one browser', () => {
  let bff: TestBff;
  beforeAll(async () => {
    bff = await startBff();
  });
  afterAll(() => bff.close());
  beforeEach(() => bff.redis.clear());

  async function openTabs() {
    const browser = bff.browser();
    const callbacks: URL[] = [];
    for (const tab of tabs) {
      callbacks.push(await untilCallback(bff, browser, { returnUrl: `/tab/${tab}` }));
    }
    return { browser, callbacks };
  }

  it.each(Object.entries(orders))(
    'all sign in %s, each back to its own place',
    async (_, order) => {
      const { browser, callbacks } = await openTabs();
      expect(browser.cookies().filter(({ name }) => name === 'bff-login')).toHaveLength(1);
      for (const tab of order) {
        const page = await visitCallback(bff, browser, callbacks[tab] as URL);
        expect([page.status, page.headers.get('location')]).toEqual([302, `/tab/${tab}`]);
        await expect(whoIs(browser)).resolves.toBe('alice');
      }
      await expect(keysOf(bff, 'login')).resolves.toEqual([]);
    },
  );

  it('all sign in at the same instant', async () => {
    const { browser, callbacks } = await openTabs();
    const pages = await Promise.all(
      callbacks.map((callback) => visitCallback(bff, browser, callback)),
    );
    expect(pages.map((page) => page.headers.get('location'))).toEqual(
      tabs.map((tab) => `/tab/${tab}`),
    );
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('all sign in although they began at the same instant without a cookie, and only one cookie was kept', async () => {
    const browser = bff.browser();
    const callbacks = await Promise.all(tabs.map(() => untilCallback(bff, browser)));
    const pages = await Promise.all(
      callbacks.map((callback) => visitCallback(bff, browser, callback)),
    );
    expect(pages.filter(({ status }) => status === 302)).toHaveLength(1);
    for (const page of pages.filter(({ status }) => status === 400)) {
      expect(errorCode(page)).toBe('login_expired');
      const [, again = ''] = /^0;url=(.*)$/.exec(page.headers.get('refresh') ?? '') ?? [];
      await browser.navigate(again);
      await expect(whoIs(browser)).resolves.toBe('alice');
    }
  });

  it('are not sent round in circles when the second try fails too', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser, { secondTry: '1' });
    await bff.redis.clear();
    const page = await visitCallback(bff, browser, callback);
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
    expect(page.headers.get('refresh')).toBeNull();
  });

  it('of another browser are not sent anywhere', async () => {
    const callback = await untilCallback(bff, bff.browser());
    const page = await visitCallback(bff, bff.browser(), callback);
    expect([page.status, page.headers.get('refresh')]).toEqual([400, null]);
  });

  it('cannot take each other’s state', async () => {
    const { browser, callbacks } = await openTabs();
    const [first, second] = callbacks as [URL, URL];
    const mixed = new URL(first);
    mixed.searchParams.set('state', second.searchParams.get('state') ?? '');
    const page = await visitCallback(bff, browser, mixed);
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    await expect(whoIs(browser)).resolves.toBeUndefined();
    expect((await visitCallback(bff, browser, second)).status).toBe(400);
    expect((await visitCallback(bff, browser, first)).status).toBe(302);
  });

  it('are not troubled by a tab that was closed half-way', async () => {
    const { browser, callbacks } = await openTabs();
    const [, ...others] = callbacks;
    for (const callback of others) {
      expect((await visitCallback(bff, browser, callback)).status).toBe(302);
    }
    await expect(keysOf(bff, 'login')).resolves.toHaveLength(1);
  });
});
