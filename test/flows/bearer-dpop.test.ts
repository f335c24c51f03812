import { startBff, type TestBff } from '../support/bff/bff.ts';
import { DpopKey } from '../support/clients/dpop-key.ts';
import { type NativeClient, startNativeClient } from '../support/clients/native-client.ts';

let bff: TestBff;
let client: NativeClient;
let key: DpopKey;
/** An access token that is bound to the key. */
let bound: string;
beforeAll(async () => {
  bff = await startBff({
    route: { clients: ['browser', 'bearer'] },
    ownAuthorizationServer: {
      clients: [{ id: 'cli', name: 'Acme CLI', redirectUris: ['http://127.0.0.1/callback'] }],
    },
  });
  client = await startNativeClient(bff);
  key = await DpopKey.create();
  const headers = { DPoP: await key.proof('POST', `${client.issuer}/token`) };
  bound = (await client.redeem(await client.authorize(bff.browser()), {}, headers)).access_token;
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await bff.close();
});
beforeEach(() => (bff.upstream.requests.length = 0));

async function call(authorization: string, proof?: string) {
  const headers = { Authorization: authorization, ...(proof !== undefined && { DPoP: proof }) };
  const response = await fetch(`${bff.url}/api/orders?page=1`, { headers });
  const { code } = (await response.json()) as { code?: string };
  return { status: response.status, code, challenge: response.headers.get('www-authenticate') };
}

const proofFor = (token: string) => key.proof('GET', `${bff.url}/api/orders`, token);

const refused = { status: 401, code: 'invalid_token' };

describe('an access token that is bound to a key', () => {
  it('is refused as a bearer token, even beside a valid proof', async () => {
    expect(await call(`Bearer ${bound}`)).toMatchObject(refused);
    expect(await call(`Bearer ${bound}`, await proofFor(bound))).toMatchObject(refused);
    expect(bff.upstream.requests).toHaveLength(0);
  });

  it('is refused without a proof', async () => {
    const refusal = await call(`DPoP ${bound}`);
    expect(refusal).toMatchObject(refused);
    expect(refusal.challenge).toContain('DPoP algs="ES256');
    expect(refusal.challenge).toMatch(/DPoP algs="[^"]+", error="invalid_token"/);
  });
});

describe('an access token that is bound to no key', () => {
  it('is refused with the scheme DPoP, even beside a valid proof', async () => {
    const { access_token: plain } = await client.signIn();
    expect((await call(`Bearer ${plain}`)).status).toBe(200);
    expect(await call(`DPoP ${plain}`)).toMatchObject(refused);
    expect(await call(`DPoP ${plain}`, await proofFor(plain))).toMatchObject(refused);
  });
});
