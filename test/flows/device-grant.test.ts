import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { Page, TestBrowser } from '../support/browser/browser.ts';
import { type NativeClient, startNativeClient } from '../support/clients/native-client.ts';

let bff: TestBff;
let client: NativeClient;
beforeAll(async () => {
  bff = await startBff({
    route: { clients: ['browser', 'bearer'], scopes: ['orders'] },
    ownAuthorizationServer: {
      clients: [{ id: 'cli', name: 'Acme CLI' }],
      deviceAuthorization: true,
    },
  });
  client = await startNativeClient(bff);
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await bff.close();
});

interface DeviceCode {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  readonly interval: number;
  readonly expires_in: number;
}

async function begin(parameters: Record<string, string> = {}): Promise<DeviceCode> {
  const response = await client.post('device_authorization', {
    login_hint: 'alice',
    ...parameters,
  });
  expect(response.status).toBe(200);
  return (await response.json()) as DeviceCode;
}

const poll = ({ device_code: code }: DeviceCode) =>
  client.token({
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: code,
  });

/** Enters the code, confirms it and signs in; returns the consent page. */
async function enter(code: DeviceCode, browser: TestBrowser = bff.browser()): Promise<Page> {
  const page = await browser.navigate(code.verification_uri);
  const confirmation = await browser.submit(page, { user_code: code.user_code });
  return browser.submit(confirmation, { confirm: 'yes' });
}

describe('a device', () => {
  it('gets tokens after its user has entered the code and consented elsewhere', async () => {
    const code = await begin();
    expect(code.verification_uri).toBe(`${client.issuer}/device`);
    expect(code).toMatchObject({ interval: 5, expires_in: 600 });
    const browser = bff.browser();
    const consent = await enter(code, browser);
    expect(consent.body).toContain('Acme CLI');
    const done = await browser.submit(consent, { decision: 'allow' });
    expect(done.status).toBe(200);
    const tokens = await poll(code);
    expect(tokens).toMatchObject({ status: 200, token_type: 'Bearer', scope: 'orders' });
    expect((await client.refresh(tokens.refresh_token)).status).toBe(200);
    expect((await poll(code)).error).toBe('slow_down');
  });

  it('waits, and is told to slow down', async () => {
    const code = await begin();
    expect((await poll(code)).error).toBe('authorization_pending');
    expect((await poll(code)).error).toBe('slow_down');
  });

  it('hears of a denial on the consent page', async () => {
    const code = await begin();
    const browser = bff.browser();
    const consent = await enter(code, browser);
    const last = await browser.submit(consent, { decision: 'deny' });
    expect([last.status, last.body]).toEqual([200, expect.stringContaining('was not connected')]);
    expect((await poll(code)).error).toBe('access_denied');
  });

  it('hears of a denial on the page with its code', async () => {
    const code = await begin();
    const browser = bff.browser();
    const page = await browser.navigate(code.verification_uri);
    const confirmation = await browser.submit(page, { user_code: code.user_code });
    expect(confirmation.body).toMatch(/Connect <bdi>Acme CLI<\/bdi>\?[^]*Check that your device/);
    const last = await browser.submit(confirmation, { abort: 'yes' });
    expect(last.body).toContain('was not connected');
    expect((await poll(code)).error).toBe('access_denied');
  });

  it('is not found by a code that was used, or by a wrong one', async () => {
    const code = await begin();
    const browser = bff.browser();
    await browser.submit(await enter(code, browser), { decision: 'allow' });
    const page = await browser.navigate(code.verification_uri);
    const again = await browser.submit(page, { user_code: code.user_code });
    expect(again.body).toContain('This code was used before.');
    const wrong = await browser.submit(again, { user_code: 'BBBB-BBBB' });
    expect(wrong.body).toContain('This code does not work.');
    expect(wrong.body).toContain('value="BBBB-BBBB"');
  });

  it('needs no typing with the complete address', async () => {
    const code = await begin();
    const browser = bff.browser();
    const confirmation = await browser.navigate(code.verification_uri_complete);
    const consent = await browser.submit(confirmation, { confirm: 'yes' });
    expect(consent.body).toContain('Acme CLI');
  });

  it('is not connected by a form that another site sent', async () => {
    const code = await begin();
    const browser = bff.browser();
    await browser.navigate(code.verification_uri);
    const forged = { user_code: code.user_code, confirm: 'yes', xsrf: 'x' };
    const from = 'https://evil.example/';
    const page = await browser.navigate(code.verification_uri, { form: forged, from });
    expect([page.status, page.body]).toEqual([400, expect.stringContaining('open for too long')]);
    expect((await poll(code)).error).toBe('authorization_pending');
  });

  it('shows only a well-formed code of its address', async () => {
    const url = `${client.issuer}/device?user_code=%22%3E%3Cscript%3E&confirm=yes`;
    const page = await bff.browser().navigate(url);
    expect(page.body).toContain('Enter the code that your device shows.');
    expect(page.body).not.toContain('script');
  });

  it('cannot be guessed: an address has twenty wrong codes in ten minutes', async () => {
    const code = await begin();
    const browser = bff.browser();
    let page = await browser.navigate(code.verification_uri);
    for (let guess = 0; guess < 25; guess += 1)
      page = await browser.submit(page, { user_code: 'CCCC-CCCC' });
    const right = await browser.submit(page, { user_code: code.user_code });
    expect(right.body).not.toContain('confirm');
    expect([right.status, right.body]).toEqual([429, expect.stringContaining('Wait ten minutes')]);
  });
});
