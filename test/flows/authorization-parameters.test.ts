import { decodeJwt } from 'jose';
import { startBff } from '../support/bff/bff.ts';
import { keyFile, keyPair } from '../support/authorization-server/client-keys.ts';
import { beginLogin, untilCallback, visitCallback, whoIs } from './steps.ts';

const { privateJwk, publicJwk } = keyPair('P-256', { kid: 'req', alg: 'ES256', use: 'sig' });
const authorizationParams = { audience: 'https://api.example.com', ui_locales: 'de' };

describe('providers[].authorizationParams', () => {
  it('are in every authorization request, and a link overrides none of them', async () => {
    await using bff = await startBff({
      store: 'memory',
      provider: { authorizationParams, loginParams: ['audience'] },
    });
    for (const query of [
      {},
      { audience: 'https://evil.example', ui_locales: 'fr', login_hint: 'bob' },
      'prompt=none&audience=https://evil.example',
    ]) {
      const { request } = await beginLogin(bff, bff.browser(), query as Record<string, string>);
      for (const [name, value] of Object.entries(authorizationParams))
        expect(request.searchParams.getAll(name)).toEqual([value]);
    }
    expect(await whoIs(await bff.signedIn())).toBe('alice');
  });

  it('are pushed, and not in the address', async () => {
    await using bff = await startBff({
      store: 'memory',
      authorizationServer: { par: 'required' },
      provider: { authorizationParams },
    });
    const { request } = await beginLogin(bff, bff.browser());
    expect([...request.searchParams.keys()].toSorted()).toEqual(['client_id', 'request_uri']);
    const [pushed] = bff.authorizationServer.requestsTo('par');
    expect(pushed?.form.getAll('audience')).toEqual([authorizationParams.audience]);
  });

  it('are in the signed request, and not beside it', async () => {
    await using bff = await startBff({
      store: 'memory',
      authorizationServer: { jar: true, client: { jwks: { keys: [publicJwk] } } },
      provider: { jar: true, clientKey: keyFile(privateJwk), authorizationParams },
    });
    const { request } = await beginLogin(bff, bff.browser());
    expect(decodeJwt(request.searchParams.get('request') ?? '')).toMatchObject(authorizationParams);
    expect(request.searchParams.has('audience')).toBe(false);
  });

  it('are sent when an account is connected', async () => {
    await using bff = await startBff({
      store: 'memory',
      providers: (usual) => [
        { ...usual, id: 'main', clientId: 'main-client' },
        { ...usual, authorizationParams },
      ],
    });
    bff.authorizationServer.registerClient({
      ...bff.authorizationServer.client,
      client_id: 'main-client',
    });
    const browser = bff.browser();
    await visitCallback(bff, browser, await untilCallback(bff, browser, { provider: 'main' }));
    const page = await browser.click('/bff/connect/corp', { redirect: 'manual' });
    const request = new URL(page.headers.get('location') ?? '');
    expect(request.searchParams.get('audience')).toBe(authorizationParams.audience);
  });
});
