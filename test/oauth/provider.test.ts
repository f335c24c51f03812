import type { ProviderOptions } from '../../src/config/options.ts';
import { readClaims } from '../../src/oauth/login/claims.ts';
import { finishLogin, startLogin } from '../../src/oauth/login/login.ts';
import { Provider } from '../../src/oauth/provider/provider.ts';
import { respondWith, hang, inTurn, slowly, type Handler } from '../support/upstream/responses.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';

const minute = 60_000;
const hour = 60 * minute;
const unavailable = expect.objectContaining({ code: 'provider_unavailable' });
const failed = expect.objectContaining({ code: 'login_failed' });

const idTokenOfAlice = { iss: 'i', aud: 'client', iat: 1, exp: 2, sub: 'alice' };

const endpoint = async (provider: Provider) =>
  (await provider.configuration()).serverMetadata().token_endpoint;

describe('a provider', () => {
  let server: Upstream;
  let now: number;
  beforeEach(async () => {
    server = await startUpstream();
    now = 0;
  });
  afterEach(() => server.close());

  const metadata = (changes: object = {}): Handler =>
    respondWith(200, {
      issuer: server.url,
      authorization_endpoint: `${server.url}/auth`,
      token_endpoint: `${server.url}/token`,
      jwks_uri: `${server.url}/jwks`,
      ...changes,
    });

  const configured = (changes: Partial<ProviderOptions> = {}) =>
    new Provider(
      {
        id: 'corp',
        issuer: server.url,
        clientId: 'client',
        clientAuth: 'client_secret_basic',
        clientSecret: 'secret',
        idTokenAlgorithms: ['RS256', 'ES256'],
        timeout: 1000,
        maxResponse: 100_000,
        ...changes,
      } as ProviderOptions,
      () => now,
    );

  it('gets no request before it is needed, and then one, however many callers there are', async () => {
    server.handler = metadata();
    const provider = configured();
    expect(server.requests).toHaveLength(0);
    await Promise.all(Array.from({ length: 20 }, () => provider.configuration()));
    await provider.configuration();
    expect(server.requests.map(({ url }) => url)).toEqual(['/.well-known/openid-configuration']);
  });

  it('is discovered below the path of its issuer', async () => {
    const issuer = `${server.url}/realms/one`;
    server.handler = metadata({ issuer });
    await configured({ issuer }).configuration();
    expect(server.last.url).toBe('/realms/one/.well-known/openid-configuration');
  });

  it('gets another request after a failure, but not within a second of it', async () => {
    server.handler = inTurn(respondWith(503), metadata());
    const provider = configured();
    await expect(provider.configuration()).rejects.toEqual(unavailable);
    now = 999;
    await expect(provider.configuration()).rejects.toEqual(unavailable);
    expect(server.requests).toHaveLength(1);
    now = 1000;
    await expect(endpoint(provider)).resolves.toBe(`${server.url}/token`);
    expect(server.requests).toHaveLength(2);
  });

  it('fails every waiting sign-in at once when discovery fails, after one request', async () => {
    server.handler = respondWith(500);
    const provider = configured();
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => provider.configuration()),
    );
    expect(results.map(({ status }) => status)).toEqual(Array(20).fill('rejected'));
    expect(server.requests).toHaveLength(1);
  });

  it('counts as unavailable when it hangs longer than its timeout', async () => {
    server.handler = hang();
    await expect(configured({ timeout: 50 }).configuration()).rejects.toEqual(unavailable);
  });

  it('that hangs keeps no caller waiting, and is found by the next one or by itself', async () => {
    const lost = Promise.withResolvers<Handler>();
    server.handler = inTurn(
      async (...call) => (await lost.promise)(...call),
      metadata({ token_endpoint: `${server.url}/new` }),
    );
    const provider = configured({ timeout: 10_000 });
    const began = performance.now();
    await expect(provider.configuration()).rejects.toEqual(unavailable);
    expect(performance.now() - began).toBeLessThan(2000);
    await expect(endpoint(provider)).resolves.toBe(`${server.url}/new`);
    expect(server.requests).toHaveLength(2);
    lost.resolve(metadata());
    await settled(provider, `${server.url}/token`);
  });

  it('that is slow to be discovered is waited for in the background', async () => {
    server.handler = slowly(2000, metadata());
    const provider = configured({ timeout: 10_000 });
    const detached = provider.discovered();
    await expect(provider.configuration()).rejects.toEqual(unavailable);
    await detached;
    await expect(endpoint(provider)).resolves.toBe(`${server.url}/token`);
    expect(server.requests).toHaveLength(1);
  });

  it('has keys, which stay as long as their address does', async () => {
    server.handler = inTurn(metadata(), metadata(), metadata({ jwks_uri: `${server.url}/new` }));
    const provider = configured();
    const keys = await provider.keys();
    for (const address of ['jwks', 'new']) {
      const before = await provider.configuration();
      now += minute;
      provider.renew();
      await settledUntil(async () => (await provider.configuration()) !== before);
      const { url } = await provider.keys();
      expect(url).toBe(`${server.url}/${address}`);
      expect((await provider.keys()) === keys).toBe(address === 'jwks');
    }
  });

  it.each([[undefined], ['http://127.0.0.1/jwks']])(
    'has no keys when its metadata say that they are at %s',
    async (jwksUri) => {
      const issuer = 'https://login.example.com';
      server.handler = metadata({ issuer, jwks_uri: jwksUri });
      const provider = configured({ issuer, internalUrl: server.url });
      await expect(provider.keys()).rejects.toEqual(unavailable);
    },
  );

  it.each(['authorization_endpoint', 'token_endpoint', 'userinfo_endpoint'])(
    'with https gets no plain HTTP request, even if its metadata name such a %s (DISC-02)',
    async (name) => {
      const issuer = 'https://login.example.com';
      const plain = await startUpstream();
      server.handler = metadata({
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        userinfo_endpoint: `${issuer}/me`,
        [name]: `${plain.url}/stolen`,
      });
      const provider = configured({ issuer, internalUrl: server.url, scopes: ['openid', 'email'] });
      const configuration = await provider.configuration();
      const callback = 'https://app.example.com/bff/callback';
      const secrets = { state: 'a', nonce: 'b', codeVerifier: 'c', redirectUri: callback };
      const response = new URLSearchParams({ code: 'code', state: 'a' });
      const attempt = {
        authorization_endpoint: () => startLogin(provider, callback, {}),
        token_endpoint: () => finishLogin(provider, secrets, response, now),
        userinfo_endpoint: () => readClaims(configuration, idTokenOfAlice, 'token', ['email']),
      }[name];
      await expect(attempt?.()).rejects.toThrow(Error);
      expect(plain.requests).toEqual([]);
      await plain.close();
    },
  );

  it('is discovered again after an hour, in the background', async () => {
    server.handler = inTurn(metadata(), metadata({ token_endpoint: `${server.url}/new` }));
    const provider = configured();
    await provider.configuration();
    now = hour - 1;
    await provider.configuration();
    expect(server.requests).toHaveLength(1);
    now = hour;
    await expect(endpoint(provider)).resolves.toBe(`${server.url}/token`);
    await settled(provider, `${server.url}/new`);
    expect(server.requests).toHaveLength(2);
  });

  it.each([
    ['is down', () => respondWith(500)],
    ['names another issuer', () => metadata({ issuer: 'https://evil.example' })],
    ['names no issuer', () => metadata({ issuer: undefined })],
    ['lists only none', () => metadata({ id_token_signing_alg_values_supported: ['none'] })],
    ['sends HTML', () => respondWith(200, '<html>')],
  ])('keeps serving with what is known while it %s', async (_, broken) => {
    server.handler = inTurn(metadata(), broken());
    const provider = configured();
    await provider.configuration();
    for (now = hour; now < hour + 5000; now += 1000) {
      await expect(endpoint(provider)).resolves.toBe(`${server.url}/token`);
    }
  });

  it('is discovered again when its keys have changed', async () => {
    server.handler = metadata();
    const provider = configured();
    const first = await provider.configuration();
    provider.renew();
    await provider.configuration();
    await settledUntil(async () => (await provider.configuration()) !== first);
    expect(server.requests).toHaveLength(2);
  });

  it('is discovered again once a minute, however often its keys change (ID-19)', async () => {
    server.handler = metadata();
    const provider = configured();
    for (const expected of [2, 3]) {
      const before = await provider.configuration();
      for (let flood = 0; flood < 50; flood += 1) {
        provider.renew();
        await settledUntil(async () => (await provider.configuration()) !== before);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(server.requests).toHaveLength(expected);
      now += minute;
    }
  });

  it.each([
    ['another host', (url: string) => url.replace('127.0.0.1', 'localhost')],
    ['a slash at its end', (url: string) => `${url}/`],
    ['another path', (url: string) => `${url}/realm`],
    ['another scheme', (url: string) => url.replace('http:', 'https:')],
    ['nothing', () => undefined],
    ['something that is no text', (url: string) => [url]],
  ])('is refused when its metadata name %s as the issuer', async (_, issuer) => {
    server.handler = metadata({ issuer: issuer(server.url) });
    await expect(configured().configuration()).rejects.toEqual(failed);
  });

  it('is refused when the slash at the end of its issuer is only in the configuration', async () => {
    server.handler = metadata();
    await expect(configured({ issuer: `${server.url}/` }).configuration()).rejects.toEqual(failed);
  });

  it('is refused when it has the document of another issuer at a well-known address', async () => {
    server.handler = metadata({ issuer: 'https://evil.example' });
    const issuer = `${server.url}/.well-known/openid-configuration`;
    await expect(configured({ issuer }).configuration()).rejects.toEqual(failed);
  });

  it.each([
    ['nothing', undefined, ['RS256', 'ES256']],
    ['none and HS256 beside others', ['none', 'HS256', 'RS256'], ['RS256']],
    ['what we do not allow', ['RS256', 'RS512'], ['RS256']],
  ])('that lists %s may sign with what we allow', async (_, advertised, accepted) => {
    server.handler = metadata({ id_token_signing_alg_values_supported: advertised });
    const configuration = await configured().configuration();
    expect(configuration.serverMetadata().id_token_signing_alg_values_supported).toEqual(accepted);
  });

  it.each([[['none']], [['HS256']], [['none', 'HS512']], [[]], [['RS1']]])(
    'that lists only %j is refused',
    async (advertised) => {
      server.handler = metadata({ id_token_signing_alg_values_supported: advertised });
      await expect(configured().configuration()).rejects.toEqual(failed);
    },
  );

  it('has the endpoints of the configuration where it names some', async () => {
    server.handler = metadata();
    const provider = configured({
      tokenEndpoint: 'https://other.example/token',
      endSessionEndpoint: 'https://other.example/logout',
    });
    expect((await provider.configuration()).serverMetadata()).toMatchObject({
      authorization_endpoint: `${server.url}/auth`,
      token_endpoint: 'https://other.example/token',
      end_session_endpoint: 'https://other.example/logout',
    });
  });

  it('is reached at internalUrl, while browsers are sent to the issuer', async () => {
    const issuer = 'http://localhost:1/realm';
    server.handler = metadata({
      issuer,
      end_session_endpoint: `${server.url}/logout?x=1`,
      token_endpoint: 'http://localhost:1/token',
    });
    const provider = configured({ issuer, internalUrl: server.url });
    expect((await provider.configuration()).serverMetadata()).toMatchObject({
      authorization_endpoint: 'http://localhost:1/auth',
      end_session_endpoint: 'http://localhost:1/logout?x=1',
      token_endpoint: 'http://localhost:1/token',
    });
    expect(server.last.headers.host).toBe('localhost:1');
  });
});

/** Turns of the event loop instead of time. */
async function settledUntil(isDone: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 10_000; turn += 1) {
    if (await isDone()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('It never came to that.');
}

async function settled(provider: Provider, tokenEndpoint: string): Promise<void> {
  await settledUntil(async () => (await endpoint(provider)) === tokenEndpoint);
}
