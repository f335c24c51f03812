import { startBff, type TestBff } from '../support/bff/bff.ts';
import { DpopKey } from '../support/clients/dpop-key.ts';
import { TokenIssuer } from '../support/clients/token-issuer.ts';
import { acceptWebSockets, openWebSocket } from '../support/network/web-sockets.ts';

let issuer: TokenIssuer;
let bff: TestBff;
beforeAll(async () => {
  issuer = await TokenIssuer.start();
  bff = await startBff({
    bearer: { issuers: [issuer.option] },
    routes: (usual) => [
      {
        ...usual,
        clients: ['browser', 'bearer'],
        scopes: ['orders'],
        headers: { set: { 'X-User': '${claims.sub}' } },
      },
      {
        ...usual,
        path: '/staff',
        clients: ['bearer'],
        require: [{ claim: 'groups', any: ['staff'] }],
      },
      { ...usual, path: '/quiet', clients: ['bearer'], forwardToken: false },
      { ...usual, path: '/strong', clients: ['bearer'], acr: 'gold' },
    ],
  });
  acceptWebSockets(bff.upstream);
});
afterAll(async () => {
  await bff.close();
  await issuer[Symbol.asyncDispose]();
});

const call = (path: string, headers: Record<string, string>) => fetch(bff.url + path, { headers });
const as = (token: string) => ({ Authorization: `Bearer ${token}` });
const codeOf = async (response: Promise<Response>) => {
  const { status, headers } = await response;
  const body = (await (await response).json()) as { code?: string };
  return [status, body.code, headers.get('www-authenticate')] as const;
};

describe('a JWT access token of another issuer', () => {
  it('reaches the upstream as it is, with its claims in headers', async () => {
    const token = await issuer.issue({ scope: 'orders more' });
    const before = bff.upstream.requests.length;
    expect((await call('/api', as(token))).status).toBe(200);
    const { headers } = bff.upstream.requests[before] ?? {};
    expect(headers?.['authorization']).toBe(`Bearer ${token}`);
    expect(headers?.['x-user']).toBe('alice');
  });

  it('is not forwarded with forwardToken: false', async () => {
    const before = bff.upstream.requests.length;
    expect((await call('/quiet', as(await issuer.issue()))).status).toBe(200);
    expect(bff.upstream.requests[before]?.headers['authorization']).toBeUndefined();
  });

  it('needs the scopes and obeys the rules of the route', async () => {
    const plain = await issuer.issue();
    const [status, code, challenge] = await codeOf(call('/api', as(plain)));
    expect([status, code]).toEqual([403, 'insufficient_scope']);
    expect(challenge).toContain('scope="orders"');
    expect((await codeOf(call('/staff', as(plain)))).slice(0, 2)).toEqual([403, 'not_allowed']);
    const staff = await issuer.issue({ groups: ['staff'] });
    expect((await call('/staff', as(staff))).status).toBe(200);
    expect((await codeOf(call('/strong', as(plain)))).slice(0, 2)).toEqual([
      401,
      'step_up_required',
    ]);
    expect((await call('/strong', as(await issuer.issue({ acr: 'gold' })))).status).toBe(200);
  });

  it.each([
    ['for another audience', { aud: 'other' }],
    ['of another issuer', { iss: 'https://elsewhere.example' }],
    ['that has expired', { exp: 1 }],
    ['without an end', { exp: undefined }],
    ['that is not valid yet', { nbf: 9_999_999_999 }],
    ['that is bound to a certificate', { cnf: { 'x5t#S256': 'x' } }],
  ])('%s is 401 invalid_token', async (_name, changes) => {
    const token = await issuer.issue({ scope: 'orders', ...changes });
    const [status, code, challenge] = await codeOf(call('/api', as(token)));
    expect([status, code]).toEqual([401, 'invalid_token']);
    expect(challenge).toContain('error="invalid_token"');
  });

  it('that is bound to a key needs a proof, and is never forwarded', async () => {
    const key = await DpopKey.create();
    const token = await issuer.issue({ scope: 'orders', cnf: { jkt: key.thumbprint } });
    const proven = async (path: string) => ({
      Authorization: `DPoP ${token}`,
      DPoP: await key.proof('GET', bff.url + path, token),
    });
    expect((await codeOf(call('/quiet', as(token)))).slice(0, 2)).toEqual([401, 'invalid_token']);
    expect((await call('/quiet', await proven('/quiet'))).status).toBe(200);
    const refused = await codeOf(call('/api', await proven('/api')));
    expect(refused.slice(0, 2)).toEqual([403, 'token_refused']);
  });

  it('closes its WebSocket when it expires', async () => {
    const exp = Math.floor(Date.now() / 1000) + 1;
    const token = await issuer.issue({ scope: 'orders', exp });
    const socket = await openWebSocket(bff, undefined, { headers: as(token), origin: null });
    expect((await socket.ended).code).toBe(4401);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000 - 50);
  });
});
