import { createHash } from 'node:crypto';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { Page } from '../support/browser/browser.ts';
import { providerAt } from '../support/authorization-server/provider-at.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { beginLogin, changed, keysOf, untilCallback, visitCallback, whoIs } from './steps.ts';

const source = 'bff-popup-login';

/** What the page at the end tells the page that has opened it. */
function messageIn({ body }: Pick<Page, 'body'>): unknown {
  const [, message] = /<script>const message = (\{.*\})\n/.exec(body) ?? [];
  return message && JSON.parse(message);
}

describe('a sign-in in a pop-up window', () => {
  let partner: AuthorizationServer;
  let bff: TestBff;
  beforeAll(async () => {
    partner = await startAuthorizationServer({ clientId: 'at-partner' });
    bff = await startBff({
      providers: (usual) => [usual, providerAt(partner)],
      login: { chooser: true },
      errorUrl: '/signin-error',
    });
  });
  beforeAll(() => {
    partner.registerClient({ redirect_uris: [`${bff.url}/bff/callback/partner`] });
  });
  afterAll(async () => {
    await bff.close();
    await partner.close();
  });
  beforeEach(() => bff.redis.clear());

  const login = { provider: 'corp', popup: '1', login_hint: 'alice' };

  it('ends on a page that tells its opener and all tabs, and closes', async () => {
    const browser = bff.browser();
    const page = await bff.signIn(browser, login);
    expect(page.url).toMatch(/\/bff\/callback\?/);
    expect(messageIn(page)).toEqual({ source, isLoggedIn: true });
    expect(page.body).toContain(`opener?.postMessage(message, "${bff.url}")`);
    expect(page.body).toContain("const name = 'pixie-bff:' + location.pathname.slice(0, -9)\n");
    expect(page.body).toContain('new BroadcastChannel(name).postMessage(message)');
    expect(page.body).toContain('close()');
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('runs only its own script, and no other page may frame it', async () => {
    const page = await bff.signIn(bff.browser(), login);
    const [, script = ''] = /<script>([^]*)<\/script>/.exec(page.body) ?? [];
    const hash = createHash('sha256').update(script).digest('base64');
    const policy = page.headers.get('content-security-policy');
    expect(policy).toMatch(/^default-src 'none'; /);
    expect(policy).toContain(`script-src 'sha256-${hash}'`);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(page.headers.get('cache-control')).toBe('no-store');
  });

  it('keeps its connection to the opener in every response, and only then', async () => {
    const policyOf = async (parameters: Record<string, string>) => {
      const browser = bff.browser();
      const { page } = await beginLogin(bff, browser, parameters);
      return page.headers.get('cross-origin-opener-policy');
    };
    expect(await policyOf(login)).toBe('unsafe-none');
    expect(await policyOf({ popup: '1' })).toBe('unsafe-none');
    expect(await policyOf({ provider: 'corp' })).toBe('same-origin');
    expect(await policyOf({ provider: 'corp', popup: '0' })).toBe('same-origin');
    const page = await bff.signIn(bff.browser(), login);
    expect(page.headers.get('cross-origin-opener-policy')).toBe('unsafe-none');
  });

  it('stays one when the user chooses the provider on our page', async () => {
    const browser = bff.browser();
    const chooser = await bff.signIn(browser, { popup: '1' });
    const [, link = ''] = /href="([^"]*provider=partner[^"]*)"/.exec(chooser.body) ?? [];
    const page = await browser.navigate(link.replaceAll('&#38;', '&') + '&login_hint=bob');
    expect(page.url).toMatch(/\/bff\/callback\/partner\?/);
    expect(messageIn(page)).toEqual({ source, isLoggedIn: true });
    expect(page.body).toContain('.slice(0, -17)');
  });

  it('reports an error instead of showing a page of the application', async () => {
    const page = await bff.signIn(bff.browser(), { ...login, prompt: 'none', login_hint: '' });
    expect(page.status).toBe(200);
    expect(messageIn(page)).toEqual({ source, isLoggedIn: false, code: 'login_denied' });
    expect(page.body).toContain('The sign-in was cancelled or denied.');
    expect(await keysOf(bff, 'session')).toEqual([]);
  });

  it('reports a provider that is down before the window leaves', async () => {
    await using other = await startBff({ store: 'memory' });
    await other.authorizationServer.goDown();
    const page = await other.signIn(other.browser(), { popup: '1' });
    expect(messageIn(page)).toMatchObject({ code: 'provider_unavailable' });
  });

  it('keeps the earlier session when it fails, and replaces it when it succeeds', async () => {
    const browser = bff.browser();
    await bff.signIn(browser, { ...login, popup: '0' });
    await bff.signIn(browser, { ...login, prompt: 'none', login_hint: 'bob' });
    await expect(whoIs(browser)).resolves.toBe('alice');
    await bff.signIn(browser, { ...login, prompt: 'login', login_hint: 'bob' });
    await expect(whoIs(browser)).resolves.toBe('bob');
    expect(await keysOf(bff, 'session')).toHaveLength(1);
  });

  it('connects an account, too', async () => {
    const browser = bff.browser();
    await bff.signIn(browser, { ...login, popup: '0' });
    const page = await browser.click(`${bff.url}/bff/connect/partner?popup=1&login_hint=bob`);
    expect(messageIn(page)).toEqual({ source, isLoggedIn: true });
    const user = (await (await browser.fetch('/bff/user')).json()) as { connections?: unknown };
    expect(user.connections).toMatchObject([{ provider: 'partner', sub: 'bob' }]);
  });

  it('that comes back twice says signed in, and that of another browser says expired', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser, login);
    await visitCallback(bff, browser, callback);
    const again = await browser.navigate(callback.href);
    expect(messageIn(again)).toEqual({ source, isLoggedIn: true });
    const stranger = await bff.browser().navigate(callback.href);
    expect(messageIn(stranger)).toEqual({ source, isLoggedIn: false, code: 'login_expired' });
  });

  it('that a second tab has overtaken is begun again, in the window', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser, login);
    const page = await browser.navigate(changed(callback, { state: `${'x'.repeat(43)}.p` }).href, {
      redirect: 'manual',
      from: bff.authorizationServer.issuer,
    });
    const refresh = page.headers.get('refresh');
    expect(refresh).toBe('0;url=/bff/login?secondTry=1&provider=corp&popup=1');
    const { request } = await beginLogin(bff, browser, 'secondTry=1&provider=corp&popup=1');
    expect(request.searchParams.get('state')).toMatch(/\.p2$/);
  });

  it('tells nothing to the page of another site that has opened it', async () => {
    const page = await bff.signIn(bff.browser(), login);
    // The second argument is the only origin that gets the message.
    expect(page.body.match(/postMessage\(message(?:, "[^"]*")?\)/g)).toEqual([
      `postMessage(message, "${bff.url}")`,
      'postMessage(message)',
    ]);
  });
});
