import { startBff, type TestBff } from '../support/bff/bff.ts';
import { describeInChromium } from '../support/browser/chromium.ts';
import { FakeDiscord } from '../support/non-oidc/fake-discord.ts';
import { FakeGitHub } from '../support/non-oidc/fake-github.ts';
import { discordAt, githubAt } from '../support/non-oidc/providers.ts';

describeInChromium('the page for choosing a provider, in Chromium', (open) => {
  let github: FakeGitHub;
  let discord: FakeDiscord;
  let bff: TestBff;
  beforeAll(async () => {
    github = await new FakeGitHub().start();
    discord = await new FakeDiscord().start();
    bff = await startBff({
      login: { chooser: true },
      providers: [discordAt(discord), githubAt(github)],
    });
  });
  afterAll(async () => {
    await bff.close();
    await Promise.all([github.stop(), discord.stop()]);
  });

  it('is styled under its own policy and works with the keyboard alone', async () => {
    const page = await (await open()).newPage();
    const errors: string[] = [];
    page.on('console', (message) => errors.push(message.text()));
    await page.goto(`${bff.url}/bff/login?returnUrl=/bff/providers`);
    const link = page.getByRole('link', { name: 'Continue with GitHub' });
    const { height = 0 } = (await link.boundingBox()) ?? {};
    expect(height).toBeGreaterThanOrEqual(44);
    expect(errors).toEqual([]);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await expect(link.evaluate((node) => node.matches(':focus-visible'))).resolves.toBe(true);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${bff.url}/bff/providers`);
    const response = await page.request.get(`${bff.url}/bff/user`, { headers: { 'X-CSRF': '1' } });
    const user = (await response.json()) as { sub: string };
    expect(user.sub).toBe('583231');
  });
});
