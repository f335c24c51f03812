import { createHash } from 'node:crypto';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { errorCode, keysOf, whoIs } from './steps.ts';

/** What the frame tells the page around it, and whom. */
function messageIn(body: string): { message: unknown; target: string } | undefined {
  const [, script = ''] = /<script>parent\.postMessage\((.*)\)<\/script>/.exec(body) ?? [];
  const [, message = 'null', target = ''] = /^(\{.*\}),"(.*)"$/.exec(script) ?? [];
  return script ? { message: JSON.parse(message) as unknown, target } : undefined;
}

const source = 'bff-silent-login';

describe('a silent sign-in in a frame', () => {
  let bff: TestBff;
  beforeAll(async () => {
    // The authorization server is at 127.0.0.1 too: one site, as login.example.com and
    // app.example.com are.
    bff = await startBff({ host: '127.0.0.1' });
  });
  afterAll(() => bff.close());
  beforeEach(() => bff.redis.clear());

  const inFrame = (browser: TestBrowser, query = 'prompt=none') =>
    browser.navigate(`${bff.url}/bff/login?${query}`, { dest: 'iframe' });

  /** Somebody with a session at the authorization server and none here. */
  async function knownThere(): Promise<TestBrowser> {
    const browser = await bff.signedIn();
    await bff.redis.clear();
    await expect(whoIs(browser)).resolves.toBeUndefined();
    return browser;
  }

  it('signs in a user whom the provider knows, and notifies the page of the same origin', async () => {
    const browser = await knownThere();
    const page = await inFrame(browser);
    expect(messageIn(page.body)).toEqual({
      message: { source, isLoggedIn: true },
      target: bff.url,
    });
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('reports signed out for a user whom the provider does not know', async () => {
    const browser = bff.browser();
    const page = await inFrame(browser);
    expect(messageIn(page.body)?.message).toEqual({
      source,
      isLoggedIn: false,
      code: 'login_denied',
    });
    await expect(whoIs(browser)).resolves.toBeUndefined();
    expect(await keysOf(bff, 'session')).toEqual([]);
  });

  it('leaves a session as it is when it fails', async () => {
    const browser = await bff.signedIn();
    await inFrame(browser, 'prompt=none&login_hint=bob');
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('responds with a page that only pages of the same origin may frame, and that runs only its one line', async () => {
    const page = await inFrame(await knownThere());
    const [, script = ''] = /<script>(.*)<\/script>/.exec(page.body) ?? [];
    const hash = createHash('sha256').update(script).digest('base64');
    expect(page.headers.get('content-security-policy')).toBe(
      `default-src 'none'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`,
    );
    expect(page.headers.get('x-frame-options')).toBeNull();
    expect(page.headers.get('cache-control')).toBe('no-store');
  });

  it('reports a provider that is down', async () => {
    await using other = await startBff({ host: '127.0.0.1', store: 'memory' });
    await other.authorizationServer.goDown();
    const page = await other
      .browser()
      .navigate(`${other.url}/bff/login?prompt=none`, { dest: 'iframe' });
    expect(messageIn(page.body)?.message).toEqual({
      source,
      isLoggedIn: false,
      code: 'provider_unavailable',
    });
  });

  it('is recognised by its signed response too, valid or not', async () => {
    const client = { authorization_signed_response_alg: 'ES256', response_modes: ['jwt'] };
    await using other = await startBff({
      host: '127.0.0.1',
      store: 'memory',
      provider: { jarm: true },
      authorizationServer: { jarm: true, client: client as object },
    });
    const browser = other.browser();
    const refused = await browser.navigate(`${other.url}/bff/login?prompt=none`, {
      dest: 'iframe',
    });
    expect(messageIn(refused.body)?.message).toMatchObject({ code: 'login_denied' });
    const forged = new URL(refused.url);
    const [head, payload] = (forged.searchParams.get('response') ?? '').split('.');
    forged.searchParams.set('response', `${head}.${payload}.AAAA`);
    await other.signedIn('alice', browser);
    const inFrameAgain = () =>
      browser.navigate(`${other.url}/bff/login?prompt=none`, { dest: 'iframe' });
    expect(messageIn((await inFrameAgain()).body)?.message).toEqual({ source, isLoggedIn: true });
    const page = await browser.navigate(forged.href, { dest: 'iframe' });
    expect(messageIn(page.body)).toBeDefined();
  });

  it('that comes back twice is one sign-in, and both responses are right', async () => {
    const browser = await knownThere();
    const page = await inFrame(browser);
    const again = await browser.navigate(page.url, { dest: 'iframe' });
    expect(messageIn(again.body)?.message).toEqual({ source, isLoggedIn: true });
    expect(await keysOf(bff, 'session')).toHaveLength(1);
  });

  it('gets a response also where the browser sent no cookie', async () => {
    const page = await bff.browser().navigate(`${bff.url}/bff/callback?state=x.s&code=y`, {
      dest: 'iframe',
    });
    expect(messageIn(page.body)?.message).toEqual({
      source,
      isLoggedIn: false,
      code: 'login_expired',
    });
  });

  it('needs a frame: in a window of its own an error is a page', async () => {
    const page = await bff.signIn(bff.browser(), { prompt: 'none' });
    expect([page.status, errorCode(page)]).toEqual([403, 'login_denied']);
    const marked = await bff.browser().navigate(`${bff.url}/bff/callback?state=x.s&code=y`);
    expect([marked.status, errorCode(marked)]).toEqual([400, 'login_expired']);
    expect(messageIn(marked.body)).toBeUndefined();
  });

  it.each(['prompt=login', 'prompt=consent', ''])('is none with %j', async (query) => {
    const page = await inFrame(bff.browser(), query);
    expect([page.status, errorCode(page)]).toEqual([403, 'csrf']);
  });
});
