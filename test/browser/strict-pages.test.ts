/// <reference lib="dom" />
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { respondWith, inTurn, passOn, type Handler } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { describeInChromium } from '../support/browser/chromium.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';

const html = { 'content-type': 'text/html' };
const path = `/orders?a="1'&b=<i>;2,url=x`;

/** A provider that waits for a click, as one with a form does. */
const signInPage: Handler = (request, response) => {
  const page = `<!doctype html><title>Sign in</title><a href="${request.url?.replaceAll('&', '&amp;')}">Sign in</a>`;
  response.writeHead(200, html).end(page);
};

describeInChromium('pages behind the sign-in with a Strict cookie, in Chromium', (open) => {
  let web: Upstream;
  let mail: Upstream;
  let bff: TestBff;
  let address: string;

  beforeAll(async () => {
    web = await startUpstream(respondWith(200, '<!doctype html><title>Shop</title>', html));
    // The host is localhost and all others are 127.0.0.1, which is another site.
    bff = await startBff({ frontend: { url: web.url, signIn: 'required' }, store: 'memory' });
    address = new URL(path, bff.url).href;
    const link = `<!doctype html><title>Mail</title><a href="${address}">Your order</a>`;
    mail = await startUpstream(respondWith(200, link, html));
  });

  afterAll(() => Promise.all([bff.close(), web.close(), mail.close()]));

  /** Follows the link in the mail, and returns the paths that the BFF was asked for. */
  async function follow(page: Page): Promise<string[]> {
    await page.goto(mail.url);
    const paths: string[] = [];
    page.on('request', (request) => {
      const { origin, pathname, search } = new URL(request.url());
      if (origin === bff.url && pathname !== '/favicon.ico') paths.push(pathname + search);
    });
    await page.getByRole('link', { name: 'Your order' }).click();
    return paths;
  }

  const shows = (page: Page, title: string) =>
    page.waitForFunction((expected) => document.title === expected, title);

  it('a link on another site finds the session, without a sign-in', async () => {
    const page = await (await open()).newPage();
    await page.goto(`${bff.url}/`);
    await shows(page, 'Shop');
    const paths = await follow(page);
    await shows(page, 'Shop');
    const { pathname, search } = new URL(address);
    expect(paths).toEqual([pathname + search, pathname + search]);
    expect(page.url()).toBe(address);
    await page.goBack();
    await shows(page, 'Mail');
  });

  it('a link on another site leads through a sign-in with a click to the page', async () => {
    const page = await (await open()).newPage();
    bff.authorizationServer.override('authorization', inTurn(signInPage, passOn()));
    const paths = await follow(page);
    await page.getByRole('link', { name: 'Sign in' }).click();
    await shows(page, 'Shop');
    bff.authorizationServer.override('authorization', undefined);
    expect(page.url()).toBe(address);
    const own = paths.filter((asked) => asked.startsWith('/orders'));
    // Round once before the sign-in, and once after it.
    expect(own).toHaveLength(4);
  });

  it('that blocks all cookies ends with a page that says so', async () => {
    const profile = mkdtempSync(join(tmpdir(), 'no-cookies-'));
    mkdirSync(join(profile, 'Default'));
    const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
    writeFileSync(join(profile, 'Default', 'Preferences'), JSON.stringify(preferences));
    const executablePath = process.env['PIXIE_TEST_CHROMIUM'] ?? '';
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const context = await chromium.launchPersistentContext(profile, { executablePath, args });
    const page = await context.newPage();
    const paths = await follow(page);
    await page.getByRole('heading', { name: 'Your browser keeps no cookies' }).waitFor();
    expect(paths).toHaveLength(2);
    await context.close();
    rmSync(profile, { recursive: true });
  });
});
