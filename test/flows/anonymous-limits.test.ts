import { startBff, type TestBff } from '../support/bff.ts';
import { errorCode, whoIs } from './steps.ts';

/** What a request without a session may ask of a process, and of Redis. */
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
    const ask = async (value: string) => {
      const address = target(encodeURIComponent(value));
      const browser = bff.browser();
      if (method === 'GET')
        return errorCode(await browser.navigate(bff.url + address, { redirect: 'manual' }));
      const response = await browser.fetch(address, { method });
      return errorCode({ body: await response.text() });
    };
    await expect(ask(`${longest}a`)).resolves.toBe('invalid_return_url');
    await expect(ask(`/${'%25'.repeat(2000)}`)).resolves.toBe('invalid_return_url');
    expect(await ask(longest)).not.toBe('invalid_return_url');
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
