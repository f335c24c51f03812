import {
  type ClientHandle,
  ClientHandlesService,
} from '../../src/session/clients/client-handles.service.ts';
import { startNativeClient } from '../support/clients/native-client.ts';
import { startRedis } from '../support/redis/redis.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { changed, errorCode, untilCallback, visitCallback, whoIs } from './steps.ts';

/** Bounds the work that a request without a session causes in the process and in Redis. */
let bff: TestBff;
beforeAll(async () => {
  bff = await startBff();
});
afterAll(() => bff.close());

const longest = `/${'a'.repeat(2047)}`;

describe('a return URL of more than 2,048 octets', () => {
  it.each([
    ['login', 'GET', (value: string) => `/bff/login?returnUrl=${value}`],
    ['login, as target_link_uri', 'GET', (value: string) => `/bff/login?target_link_uri=${value}`],
    ['providers', 'GET', (value: string) => `/bff/providers?returnUrl=${value}`],
    ['connect', 'GET', (value: string) => `/bff/connect/corp?returnUrl=${value}`],
    ['logout', 'GET', (value: string) => `/bff/logout?returnUrl=${value}`],
    ['logout by POST', 'POST', (value: string) => `/bff/logout?returnUrl=${value}`],
  ])('is refused by %s', async (_, method, target) => {
    const statusFor = async (value: string) => {
      const address = target(encodeURIComponent(value));
      const browser = bff.browser();
      if (method === 'GET')
        return errorCode(await browser.navigate(bff.url + address, { redirect: 'manual' }));
      const response = await browser.fetch(address, { method });
      return errorCode({ body: await response.text() });
    };
    await expect(statusFor(`${longest}a`)).resolves.toBe('invalid_return_url');
    await expect(statusFor(`/${'%25'.repeat(2000)}`)).resolves.toBe('invalid_return_url');
    expect(await statusFor(longest)).not.toBe('invalid_return_url');
  });

  it('is measured as it was sent, also on the way back from a sign-out', async () => {
    const browser = await bff.signedIn();
    const value = `/${'é'.repeat(1023)}`;
    const query = `returnUrl=${encodeURIComponent(value)}`;
    const response = await browser.fetch(`/bff/logout?${query}`, { method: 'POST' });
    const { location } = (await response.json()) as { location: string };
    const callback = `/bff/logout/callback?state=${new URL(location).searchParams.get('state')}`;
    const page = await browser.navigate(callback, { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([302, encodeURI(value)]);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('is not what providers makes of a shorter one', async () => {
    const query = `returnUrl=${encodeURIComponent(`/${'é'.repeat(1023)}`)}`;
    const listed = await bff.browser().navigate(`${bff.url}/bff/providers?${query}`);
    const [{ loginUrl }] = JSON.parse(listed.body) as [{ loginUrl: string }];
    const page = await bff.browser().navigate(bff.url + loginUrl, { redirect: 'manual' });
    expect(page.status).toBe(302);
  });
});

describe('access tokens that are not valid', () => {
  it('are refused without a word to Redis', async () => {
    const redis = await startRedis();
    await using own = await startBff({
      redis: { url: redis.url },
      route: { clients: ['bearer'] },
      ownAuthorizationServer: {
        clients: [{ id: 'cli', name: 'CLI', redirectUris: ['http://127.0.0.1/callback'] }],
      },
    });
    await using client = await startNativeClient(own);
    const { access_token: token } = await client.signIn();
    await redis.stop();
    const handles = own.app.get(ClientHandlesService);
    const expired = { ...(handles.read(token) as ClientHandle), expiresAt: Date.now() };
    const statusOf = async (value: string) => {
      const headers = { Authorization: `Bearer ${value}` };
      return (await fetch(`${own.url}/api`, { headers })).status;
    };
    const bad = [
      handles.issue(expired),
      `${token}A`,
      'pxb_',
      'pxb_forged',
      'forged',
      'e30.e30.e30',
    ];
    expect(await Promise.all(bad.map(statusOf))).toEqual(bad.map(() => 401));
    await waitFor(async () => (await statusOf(token)) === 503);
  });
});

/** This many parameters with unknown names. */
const junk = (count: number) => Array.from({ length: count }, (_, n) => `p${n}=1`).join('&');

describe('a callback or form with more than 64 parameters', () => {
  it('is refused, and the session that its response concerns is still good', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    const many = new URL(`${callback.href}&${junk(65 - callback.searchParams.size)}`);
    expect(many.searchParams.size).toBe(65);
    const refused = await visitCallback(bff, browser, many);
    expect([refused.status, errorCode(refused)]).toEqual([400, 'invalid_request']);
    const most = changed(many, { p0: null });
    expect((await visitCallback(bff, browser, most)).status).toBe(302);
  });

  it('is refused by backchannel', async () => {
    const response = await fetch(`${bff.url}/bff/backchannel`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `logout_token=x&${junk(64)}`,
    });
    expect([response.status, errorCode({ body: await response.text() })]).toEqual([
      400,
      'invalid_request',
    ]);
  });

  it('is refused by a callback that takes forms', async () => {
    await using forms = await startBff({
      https: true,
      provider: { responseMode: 'form_post', jarm: true },
    });
    const post = async (form: Record<string, string>) =>
      errorCode(await forms.browser().navigate(`${forms.url}/bff/callback`, { form }));
    await expect(post(Object.fromEntries(new URLSearchParams(junk(65))))).resolves.toBe(
      'invalid_request',
    );
    // Nothing is decoded or verified for a browser without a pending login.
    await expect(post({ response: 'e30.'.repeat(15_000) })).resolves.toBe('login_expired');
  });
});

describe('16 KB of an attacker without a session', () => {
  const distinct = (length: number) =>
    Array.from({ length }, (_, n) => n.toString(36))
      .join('&')
      .slice(0, 15_000);

  it.each([
    ['nested encodings', `/bff/login?returnUrl=/%25${'25'.repeat(7400)}41`],
    ['nested encodings', `/bff/providers?returnUrl=/%25${'25'.repeat(7400)}41`],
    ['nested encodings', `/bff/logout?returnUrl=/%25${'25'.repeat(7400)}41`],
    ['distinct parameters', `/bff/login?${distinct(6000)}`],
    ['distinct parameters', `/bff/callback?state=x&${distinct(6000)}`],
    ['distinct parameters', `/bff/connect/corp?${distinct(6000)}`],
    ['distinct parameters', `/bff/logout/callback?${distinct(6000)}`],
    ['repeated parameters', `/bff/login?${'a&'.repeat(7500)}`],
    ['repeated parameters', `/bff/callback?${'a&'.repeat(7500)}`],
    ['a long parameter', `/bff/login?login_hint=${'x'.repeat(15_000)}`],
    ['lists', `/bff/login?${'a[&'.repeat(5000)}`],
  ])('of %s cost less than 20 ms (%#)', async (_, target) => {
    const costs: number[] = [];
    for (let turn = 0; turn < 5; turn += 1) {
      const before = process.cpuUsage();
      await (await fetch(bff.url + target, { redirect: 'manual' })).text();
      const { user, system } = process.cpuUsage(before);
      costs.push((user + system) / 1000);
    }
    // The first requests include compilation.
    expect(Math.min(...costs)).toBeLessThan(20);
  });
});
