import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { errorCode, untilCallback, whoIs } from './steps.ts';

/**
 * A sibling host may set cookies for the whole domain. No `__Host-` rule of the browser applies to
 * a name with another octet in front, and servers differ in which octets they take for white space
 * (cookie tossing).
 */
let bff: TestBff;
let alice: TestBrowser;
let mallory: TestBrowser;

beforeAll(async () => {
  bff = await startBff({
    https: true,
    routes: (usual, { upstream }) => [
      usual,
      { path: '/public', upstream: upstream.url, token: 'none' },
    ],
  });
  [alice, mallory] = [await bff.signedIn('alice'), await bff.signedIn('mallory')];
});
afterAll(() => bff.close());

const [session, login] = ['__Host-Http-bff', '__Host-Http-bff-login'];

/** The value of the cookie with this name in a browser. */
function valueIn(browser: TestBrowser, name: string): string {
  return browser.cookies().find((cookie) => cookie.name === name)?.value ?? '';
}

/** Sends a `GET` with this `Cookie` header, one octet a character, as a page of ours would. */
async function get(target: string, cookie: string): Promise<{ status?: number; text: string }> {
  const head = [
    `GET ${target} HTTP/1.1`,
    `Host: localhost:${bff.port}`,
    'Accept: application/json',
    'X-CSRF: 1',
    'Connection: close',
    `Cookie: ${cookie}`,
  ];
  const tls = { ca: bff.ca ?? '' };
  const response = await rawRequest(bff.port, `${head.join('\r\n')}\r\n\r\n`, { tls });
  const [status] = response.statuses;
  return { ...(status !== undefined && { status }), text: response.text };
}

describe.each([
  ['a no-break space (0xA0) in front', (name: string) => `\u00a0${name}`],
  ['0xA0 behind', (name: string) => `${name}\u00a0`],
  ['0x85 in front', (name: string) => `\u0085${name}`],
  ['a vertical tab in front', (name: string) => `\u000b${name}`],
  ['a form feed behind', (name: string) => `${name}\u000c`],
  ['a quote on both sides', (name: string) => `"${name}"`],
  ['another case', (name: string) => name.toUpperCase()],
])('a cookie whose name is ours but for %s', (_, planted) => {
  it('signs no browser in, neither at an endpoint nor at the API, and reaches no upstream', async () => {
    const cookie = `${planted(session)}=${valueIn(mallory, session)}; theme=dark`;
    for (const target of ['/bff/user', '/api/orders']) {
      const { status = 400, text } = await get(target, cookie);
      // Node.js itself refuses control characters in a header.
      expect([400, 401]).toContain(status);
      expect(text).not.toContain('mallory');
    }
    const before = bff.upstream.requests.length;
    const { status } = await get('/public/page', cookie);
    const sent = bff.upstream.requests.slice(before).map(({ headers }) => headers.cookie);
    expect(sent).toEqual(status === 400 ? [] : ['theme=dark']);
  });

  it('neither replaces the session of the user nor ends it', async () => {
    const own = `${session}=${valueIn(alice, session)}`;
    const foreign = `${planted(session)}=${valueIn(mallory, session)}`;
    for (const cookie of [`${foreign}; ${own}`, `${own}; ${foreign}`]) {
      const { status, text } = await get('/bff/user', cookie);
      // Node.js itself refuses control characters in a header.
      expect(status === 400 ? '"sub":"alice"' : text).toContain('"sub":"alice"');
    }
    await expect(whoIs(alice)).resolves.toBe('alice');
  });

  it('finishes no sign-in (login CSRF)', async () => {
    const attacker = bff.browser();
    const callback = await untilCallback(bff, attacker, { login_hint: 'mallory' });
    const tokenRequests = bff.authorizationServer.tokenRequests().length;
    const target = callback.pathname + callback.search;
    const { text } = await get(target, `${planted(login)}=${valueIn(attacker, login)}`);
    expect(text).not.toContain('Set-Cookie');
    expect(text).toMatch(/^HTTP\/1\.1 400/);
    expect(bff.authorizationServer.tokenRequests()).toHaveLength(tokenRequests);
  });
});

describe('several cookies with exactly the name of the session cookie', () => {
  const forged = `${session}=s%3A${'A'.repeat(43)}.${'B'.repeat(43)}`;

  it.each(['/bff/user', '/api/orders'])(
    'sign no user out of %s: the one with a valid signature counts',
    async (target) => {
      const own = `${session}=${valueIn(alice, session)}`;
      for (const cookie of [`${forged}; ${own}`, `${own}; ${forged}`, `${own}; ${own}`]) {
        expect((await get(target, cookie)).status).toBe(200);
      }
    },
  );

  it('count as none when two sessions are named', async () => {
    const [own, other] = [alice, mallory].map((one) => `${session}=${valueIn(one, session)}`);
    for (const target of ['/bff/user', '/api/orders']) {
      const { status, text } = await get(target, `${own}; ${other}`);
      expect([status, errorCode({ body: text })]).toEqual([401, 'not_signed_in']);
    }
  });
});

it('a value that was signed for one cookie is worth nothing under the name of the other', async () => {
  const value = valueIn(alice, session);
  const { text } = await get('/bff/login', `${login}=${value}`);
  expect(text).toMatch(/^HTTP\/1\.1 302/);
  // The browser gets a separate login binding, not one derived from the session's secret.
  expect(text).toContain(`${login}=s%3A`);
  expect(text).not.toContain(decodeURIComponent(value).slice(2).split('.')[0]);
});
