/// <reference lib="dom" />
import type { Page, Response } from 'playwright-core';
import { describeInChromium } from '../support/browser/chromium.ts';
import { addNote, errorsOf, enterPassword, showsAda, signIn, signOut } from './demo-page.ts';
import { type DemoServers, startDemoServers } from './demo-servers.ts';

describeInChromium('the demo in a real browser', (open) => {
  let demo: DemoServers;
  beforeAll(async () => void (demo = await startDemoServers()));
  afterAll(() => demo.close());

  it('signs in, calls the API, reloads, opens a second tab and signs out without an error', async () => {
    const context = await open();
    const page = await context.newPage();
    const errors = errorsOf(page);
    await page.goto(demo.url);
    await signIn(page);
    const moments = await momentsOf(page);
    expect(moments).toHaveLength(10);
    expect(moments).toEqual(moments.toSorted((one, other) => one - other));
    await addNote(page, 'Note G');
    await page.reload();
    await showsAda(page);
    await page.getByRole('listitem').filter({ hasText: 'Note G' }).waitFor();

    const secondTab = await context.newPage();
    errors.push(...errorsOf(secondTab));
    await secondTab.goto(demo.url);
    await showsAda(secondTab);

    await signOut(page);
    await secondTab.reload();
    await secondTab.locator('body[data-state="signed-out"]').waitFor();
    expect(errors).toEqual([]);
  });

  it('gives the page no token and no verifier', async () => {
    const page = await (await open()).newPage();
    const received = listen(page, demo.url);
    await page.goto(demo.url);
    await received();
    await signIn(page);
    await addNote(page, 'nothing to see here');
    await page.getByRole('button', { name: 'Who am I?' }).click();
    await page.locator('.answer pre').filter({ hasText: 'notes:read' }).waitFor();

    const evidence = [...(await received()), ...(await reachOf(page)), page.url()].join('\n');
    expect(demo.secrets.size).toBeGreaterThanOrEqual(5);
    expect([...demo.secrets].filter((secret) => evidence.includes(secret))).toEqual([]);
    expect(evidence).not.toMatch(/eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+/);
    expect(await page.evaluate(() => document.cookie)).toBe('');
  });

  it('signs in from ten tabs that all begin at the same instant, without a cookie', async () => {
    const context = await open();
    const tabs = await Promise.all(Array.from({ length: 10 }, () => context.newPage()));
    await Promise.all(tabs.map((tab) => tab.goto(`${demo.url}/bff/login?returnUrl=/`)));
    for (const tab of tabs) {
      await tab.bringToFront();
      await enterPassword(tab);
      await showsAda(tab);
    }
    const users = tabs.map((tab) => tab.locator('#account').innerText());
    for (const user of await Promise.all(users)) expect(user).toContain('Ada Lovelace');
  });
});

/**
 * When each step of the drawn sign-in happened, in milliseconds after the first, from top to
 * bottom; the second has no time of its own.
 */
async function momentsOf(page: Page): Promise<number[]> {
  const texts = await page.locator('.step .when').allInnerTexts();
  return texts
    .filter((text) => text !== '')
    .map((text) => Number.parseFloat(text) * (text.endsWith(' s') ? 1000 : 1));
}

/** Everything a page received from its own origin: addresses, headers a script may read, bodies. */
function listen(page: Page, origin: string): () => Promise<string[]> {
  const received: Promise<string>[] = [];
  // Read at once: Chromium forgets the bodies of a page it has left.
  page.on('response', (response) => {
    if (response.url().startsWith(origin)) received.push(readable(response));
  });
  return () => Promise.all(received);
}

async function readable(response: Response): Promise<string> {
  const { 'set-cookie': _, location: __, ...headers } = response.headers();
  const isRedirect = response.status() >= 300 && response.status() < 400;
  const body = isRedirect ? '' : await response.text();
  return [response.url(), JSON.stringify(headers), body].join('\n');
}

/** Everything a script finds without asking the network. */
async function reachOf(page: Page): Promise<string[]> {
  return page.evaluate(() => [
    document.cookie,
    JSON.stringify(localStorage),
    JSON.stringify(sessionStorage),
    document.documentElement.outerHTML,
    performance
      .getEntries()
      .map((entry) => entry.name)
      .join('\n'),
    window.name,
    history.state ? JSON.stringify(history.state) : '',
  ]);
}
