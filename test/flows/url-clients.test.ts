import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { type NativeClient, startNativeClient } from '../support/clients/native-client.ts';
import { testTls } from '../support/network/tls.ts';
import { testClock } from '../support/time/clock.ts';

const clock = testClock();
const usualAuthorities = getCACertificates('default');
let agentServer: Server;
let fetches = 0;
let isDown = false;
let bff: TestBff;
let client: NativeClient;
beforeAll(async () => {
  const { ca, key, cert } = testTls();
  setDefaultCACertificates([...usualAuthorities, ca]);
  agentServer = createServer({ key, cert }, (request, response) => {
    fetches += 1;
    if (isDown) return response.writeHead(503).end();
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(documentOf(`${origin()}${request.url}`)));
  });
  await new Promise<void>((resolve) => agentServer.listen(0, '127.0.0.1', resolve));
  bff = await startBff({
    clock: clock.now,
    route: { clients: ['browser', 'bearer'], scopes: ['tools'] },
    ownAuthorizationServer: { clientIdMetadataDocuments: true, deviceAuthorization: true },
  });
  client = await startNativeClient(bff, `${origin()}/client.json`);
});
beforeEach(() => {
  fetches = 0;
  isDown = false;
});
afterAll(async () => {
  setDefaultCACertificates(usualAuthorities);
  await client[Symbol.asyncDispose]();
  await bff.close();
  agentServer.closeAllConnections();
  await new Promise((resolve) => agentServer.close(resolve));
});

const origin = () => `https://localhost:${(agentServer.address() as AddressInfo).port}`;

const documentOf = (clientId: string) => ({
  client_id: clientId,
  client_name: 'Helpful Agent',
  redirect_uris: ['http://127.0.0.1/callback'],
  ...(clientId.endsWith('/device.json') && {
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
  }),
  ...(clientId.endsWith('/secret.json') && { client_secret: 'x' }),
});

/** The code of the error on a page of an authorization request. */
const errorOn = async (clientId: string) => {
  const page = await client.begin(bff.browser(), { client_id: clientId });
  expect([page.status, page.history.length]).toEqual([400, 1]);
  return page.body;
};

describe('a client whose id is the address of its document', () => {
  it('signs its user in, who sees its host, with one fetch', async () => {
    const browser = bff.browser();
    const page = await client.begin(browser);
    expect(page.body).toContain('Helpful Agent');
    expect(page.body).toContain(new URL(origin()).host);
    expect(page.body).toContain('this computer');
    const last = await browser.submit(page, { decision: 'allow' });
    const tokens = await client.redeem(new URL(last.url));
    expect(tokens).toMatchObject({ status: 200, scope: 'tools' });
    expect((await client.refresh(tokens.refresh_token)).status).toBe(200);
    expect(fetches).toBe(1);
  });

  it('keeps its tokens while its document is unavailable', async () => {
    const tokens = await client.signIn();
    clock.advance(3600_000);
    isDown = true;
    const refused = await client.refresh(tokens.refresh_token);
    expect([refused.status, refused.error]).toEqual([503, 'temporarily_unavailable']);
    isDown = false;
    expect((await client.refresh(tokens.refresh_token)).status).toBe(200);
  });

  it('has no device grant unless its document says so', async () => {
    const begin = (clientId: string) =>
      client.post('device_authorization', { client_id: clientId });
    expect((await begin(client.clientId)).status).toBe(400);
    expect((await begin(`${origin()}/device.json`)).status).toBe(200);
  });

  it('may not use a redirect URI that its document does not have', async () => {
    const page = await client.begin(bff.browser(), { redirect_uri: 'https://evil.example/cb' });
    expect([page.status, page.history.length]).toEqual([400, 1]);
  });

  it('is refused on a page, without a redirect, if its document is not acceptable', async () => {
    expect(await errorOn(`${origin()}/secret.json`)).toContain('contains a secret');
    expect(fetches).toBe(1);
  });

  it.each([
    ['a private address', () => 'https://10.0.0.1/client.json'],
    ['a closed port', () => 'https://localhost:1/client.json'],
    ['an unavailable document', () => `${origin()}/down.json`],
  ])('is refused with one and the same page: %s', async (_kind, idOf) => {
    isDown = true;
    expect(await errorOn(idOf())).toContain('could not be fetched');
  });

  it('is asked to wait if too many documents are fetched for its address', async () => {
    clock.advance(60_000);
    const begin = (index: number) =>
      client.begin(bff.browser(), { client_id: `${origin()}/secret.json?${index}` });
    for (let index = 0; index < 20; index += 1) expect((await begin(index)).status).toBe(400);
    const page = await begin(20);
    expect([page.status, page.history.length, fetches]).toEqual([429, 1, 20]);
    clock.advance(60_000);
  });

  it('is an unknown client if its id is not canonical', async () => {
    expect(await errorOn(`${origin()}/a/../client.json`)).toContain('Client is invalid');
    expect(fetches).toBe(0);
  });
});

it('a BFF without documents fetches none', async () => {
  await using other = await startBff({
    route: { clients: ['bearer'] },
    ownAuthorizationServer: { clients: [{ id: 'cli', name: 'Acme CLI' }] },
  });
  const url = client.authorizationUrl().replace(bff.url, other.url);
  const page = await other.browser().navigate(url);
  expect([page.status, fetches]).toEqual([400, 0]);
});
