import { type BffOverrides, startBff, type TestBff } from '../support/bff/bff.ts';
import { type NativeClient, startNativeClient } from '../support/clients/native-client.ts';

const overrides: BffOverrides = {
  route: { clients: ['browser', 'bearer'], scopes: ['orders'] },
  ownAuthorizationServer: {
    clients: [
      { id: 'cli', name: 'Acme CLI', redirectUris: ['http://127.0.0.1/callback'] },
      { id: 'app', name: 'Acme App', redirectUris: ['com.acme.app:/callback'], scopes: ['orders'] },
    ],
  },
};

let bff: TestBff;
let client: NativeClient;
beforeAll(async () => {
  bff = await startBff(overrides);
  client = await startNativeClient(bff);
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await bff.close();
});

describe('a command-line client that signs in', () => {
  it('gets a handle of a session after the consent of the user', async () => {
    const browser = bff.browser();
    const page = await client.begin(browser);
    console.log(
      page.status,
      page.url,
      page.history.map((h) => [h.status, h.url, h.location, h.setCookie]),
    );
    expect(page.body).toContain('Acme CLI');
    const callback = await client.authorize(browser);
    expect(callback.searchParams.get('iss')).toBe(client.issuer);
    const tokens = await client.redeem(callback);
    console.log(tokens);
    expect(tokens).toMatchObject({ status: 200, token_type: 'Bearer', expires_in: 600 });
    expect(tokens.access_token).toMatch(/^pxb_/);
  });
});
