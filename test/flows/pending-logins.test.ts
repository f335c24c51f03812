import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import {
  asProgram,
  beginLogin,
  changed,
  errorCode,
  keysOf,
  untilCallback,
  visitCallback,
} from './steps.ts';

/** Every client can begin a sign-in, and each is kept in Redis for ten minutes. */
const most = 5;

let bff: TestBff;
let replica: TestBff;
beforeAll(async () => {
  bff = await startBff({
    rateLimit: { pendingLogins: most },
    providers: (usual) => [
      usual,
      { id: 'github', preset: 'github', clientId: 'client', clientSecret: 'secret' },
    ],
  });
  replica = await bff.replica();
});
afterAll(() => bff.close());
beforeEach(() => bff.redis.clear());

async function begin(at: TestBff): Promise<number> {
  return (await beginLogin(at, at.browser())).page.status;
}

describe('sign-ins that are never completed (Redis flooding)', () => {
  it('are as many as may be, on all replicas together, however many begin at once', async () => {
    const statuses = await Promise.all(
      Array.from({ length: 40 }, (_, n) => begin(n % 2 === 0 ? bff : replica)),
    );
    expect(statuses.filter((status) => status === 302)).toHaveLength(most);
    expect(statuses.filter((status) => status === 429)).toHaveLength(40 - most);
    await expect(keysOf(bff, 'login')).resolves.toHaveLength(most);
    await expect(begin(replica)).resolves.toBe(429);
  });

  it('are refused with a problem or a page, and Retry-After, and set no cookie', async () => {
    for (let n = 0; n < most; n += 1) await begin(bff);
    const browser = bff.browser();
    const { page } = await beginLogin(bff, browser);
    expect([page.status, errorCode(page)]).toEqual([429, 'rate_limited']);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(browser.cookies()).toEqual([]);
    const problem = await bff.browser().navigate(`${bff.url}/bff/login`, { headers: asProgram });
    expect(JSON.parse(problem.body)).toMatchObject({ status: 429, code: 'rate_limited' });
    expect(problem.headers.get('retry-after')).toMatch(/^\d+$/);
  });

  it.each([
    ['completed', {}, 302],
    ['refused by the user', { error: 'access_denied' }, 403],
  ])('make room for one more when one is %s', async (_, changes, status) => {
    const browser = bff.browser();
    const callback = changed(await untilCallback(bff, browser), changes);
    for (let n = 1; n < most; n += 1) await begin(replica);
    await expect(begin(replica)).resolves.toBe(429);
    expect((await visitCallback(bff, browser, callback)).status).toBe(status);
    await expect(begin(replica)).resolves.toBe(302);
    await expect(begin(bff)).resolves.toBe(429);
    await expect(keysOf(bff, 'login')).resolves.toHaveLength(most);
  });

  it('make no room when a callback names an unknown state', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    for (let n = 1; n < most; n += 1) await begin(bff);
    await visitCallback(bff, browser, changed(callback, { state: 'x'.repeat(43) }));
    await visitCallback(bff, bff.browser(), callback);
    await expect(begin(bff)).resolves.toBe(429);
  });

  it('count attempts to connect an account too', async () => {
    const browser = await bff.signedIn();
    const connect = () =>
      browser.navigate(`${bff.url}/bff/connect/github`, { from: bff.url, redirect: 'manual' });
    for (let n = 1; n < most; n += 1) await begin(bff);
    expect((await connect()).status).toBe(302);
    const refused = await connect();
    expect([refused.status, errorCode(refused)]).toEqual([429, 'rate_limited']);
    await expect(begin(bff)).resolves.toBe(429);
  });

  it('take no place where they cannot begin', async () => {
    await using pushing = await startBff({
      rateLimit: { pendingLogins: 1 },
      authorizationServer: { par: 'offered' },
      provider: { par: 'required' },
    });
    pushing.authorizationServer.override('par', respondWith(400, { error: 'invalid_request' }));
    await expect(begin(pushing)).resolves.toBe(502);
    expect((await pushing.redis.dump()).size).toBe(0);
    pushing.authorizationServer.override('par', undefined);
    await expect(begin(pushing)).resolves.toBe(302);
    pushing.authorizationServer.requests.length = 0;
    await expect(begin(pushing)).resolves.toBe(429);
    // No request is sent to the provider for a refused sign-in.
    expect(pushing.authorizationServer.requestsTo('par')).toEqual([]);
  });
});

describe('a pending login', () => {
  it.each([
    ['letters', `/${'a'.repeat(2047)}`],
    ['accents', `/${'é'.repeat(1023)}`],
  ])('is small, however long its parameters are and its return URL of %s', async (_, returnUrl) => {
    const hint = 'x'.repeat(1024);
    const long = { returnUrl, acr_values: hint, login_hint: hint };
    expect((await beginLogin(bff, bff.browser(), long)).page.status).toBe(302);
    const dump = [...(await bff.redis.dump())];
    const [, record] = dump.find(([key]) => key.includes('login:')) ?? [];
    expect(record?.length).toBeLessThan(6 * 1024);
  });

  it('is not begun with longer parameters', async () => {
    const { page } = await beginLogin(bff, bff.browser(), { acr_values: 'x'.repeat(1025) });
    expect([page.status, errorCode(page)]).toEqual([400, 'invalid_request']);
    await expect(keysOf(bff, 'login')).resolves.toEqual([]);
  });
});

it('rateLimit: false keeps the limit of pending logins, at its default', async () => {
  await using unlimited = await startBff({ store: 'memory', rateLimit: false });
  expect(unlimited.options.rateLimit.pendingLogins).toBe(100_000);
  await expect(begin(unlimited)).resolves.toBe(302);
});
