import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { providerAt } from '../support/authorization-server/provider-at.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { type NativeClient, startNativeClient } from '../support/clients/native-client.ts';
import {
  type ClientHandle,
  ClientHandlesService,
} from '../../src/session/clients/client-handles.service.ts';
import { acceptWebSockets, openWebSocket } from '../support/network/web-sockets.ts';

let partner: AuthorizationServer;
let bff: TestBff;
let client: NativeClient;
beforeAll(async () => {
  partner = await startAuthorizationServer({ clientId: 'at-partner' });
  bff = await startBff({
    providers: (usual) => [usual, providerAt(partner)],
    routes: (usual) => [
      { ...usual, clients: ['bearer'] },
      { ...usual, path: '/partner', clients: ['bearer'], provider: 'partner' },
      {
        ...usual,
        path: '/open',
        clients: ['bearer'],
        provider: 'partner',
        token: 'optional',
        require: [{ claim: 'sub', any: ['nobody'] }],
      },
    ],
    ownAuthorizationServer: {
      clients: [{ id: 'cli', name: 'Acme CLI', redirectUris: ['http://127.0.0.1/callback'] }],
    },
  });
  client = await startNativeClient(bff);
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await bff.close();
  await partner.close();
});
beforeEach(() => (bff.upstream.requests.length = 0));

const as = (token: string) => ({ Authorization: `Bearer ${token}` });

describe('a client whose user signed in at another provider than that of the route', () => {
  it('is refused for good, because another sign-in would not help', async () => {
    const { access_token: token } = await client.signIn();
    expect((await fetch(`${bff.url}/api`, { headers: as(token) })).status).toBe(200);
    const response = await fetch(`${bff.url}/partner`, { headers: as(token) });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: 'token_refused' });
    expect(response.headers.get('www-authenticate')).toContain('Bearer error="access_denied"');
    expect(bff.upstream.requests).toHaveLength(1);
  });

  it('shows no token where none is needed, and its WebSocket still ends with it', async () => {
    acceptWebSockets(bff.upstream);
    const tokens = await client.signIn();
    expect((await fetch(`${bff.url}/open`, { headers: as(tokens.access_token) })).status).toBe(200);
    expect(bff.upstream.last.headers.authorization).toBeUndefined();
    const handles = bff.app.get(ClientHandlesService);
    const handle = handles.read(tokens.access_token) as ClientHandle;
    const short = handles.issue({ ...handle, expiresAt: Date.now() + 300 });
    const open = (token: string) =>
      openWebSocket(bff, undefined, { path: '/open', headers: as(token), origin: null });
    const [ending, lasting] = [await open(short), await open(tokens.access_token)];
    expect((await ending.ended).code).toBe(4401);
    lasting.socket.send('still here');
    expect(await lasting.hears(1)).toEqual(['still here']);
    await client.revoke(tokens.refresh_token);
    expect((await lasting.ended).code).toBe(4401);
  });
});
