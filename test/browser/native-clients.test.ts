import { startBff, type TestBff } from '../support/bff/bff.ts';
import { describeInChromium } from '../support/browser/chromium.ts';
import { type NativeClient, startNativeClient } from '../support/clients/native-client.ts';

describeInChromium('a sign-in for a client of our own, in Chromium', (open) => {
  let bff: TestBff;
  let client: NativeClient;
  beforeAll(async () => {
    bff = await startBff({
      route: { clients: ['browser', 'bearer'], scopes: ['orders'] },
      ownAuthorizationServer: {
        clients: [{ id: 'cli', name: 'Acme CLI', redirectUris: ['http://127.0.0.1/callback'] }],
        deviceAuthorization: true,
      },
    });
    client = await startNativeClient(bff);
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await bff.close();
  });

  /** A new page, and what its console says. */
  async function openPage() {
    const page = await (await open()).newPage();
    const messages: string[] = [];
    page.on('console', (message) => messages.push(message.text()));
    return { page, messages };
  }

  it('gets from the consent page to the client, under the policy of the page', async () => {
    const { page, messages } = await openPage();
    await page.goto(client.authorizationUrl());
    await page.getByRole('heading', { name: 'Acme CLI asks to use your account' }).waitFor();
    const allow = page.getByRole('button', { name: 'Allow' });
    expect((await allow.boundingBox())?.height).toBeGreaterThanOrEqual(44);
    expect(messages).toEqual([]);
    await allow.click();
    await page.waitForURL(`${client.redirectUri}?*`);
    const tokens = await client.redeem(new URL(page.url()));
    expect(tokens.status).toBe(200);
  });

  it('lets the client send its user on to a page elsewhere', async () => {
    const { page } = await openPage();
    client.nextPage = 'https://127.0.0.1:1/signed-in';
    await page.goto(client.authorizationUrl());
    const next = page.waitForRequest(client.nextPage);
    await page.getByRole('button', { name: 'Allow' }).click();
    expect((await next).isNavigationRequest()).toBe(true);
  });

  it.each(['verification_uri', 'verification_uri_complete'] as const)(
    'connects a device from its %s to the last page',
    async (address) => {
      const begun = await client.post('device_authorization', { login_hint: 'alice' });
      const code = (await begun.json()) as Record<typeof address | 'user_code', string>;
      const { page, messages } = await openPage();
      await page.goto(code[address]);
      if (address === 'verification_uri') {
        await page.getByLabel('Code').fill(code.user_code.toLowerCase());
        await page.keyboard.press('Enter');
      }
      await page.getByText('Check that your device shows this code').waitFor();
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.getByRole('button', { name: 'Allow' }).click();
      await page.getByRole('heading', { name: 'Acme CLI is connected' }).waitFor();
      expect(messages).toEqual([]);
    },
  );
});
