import { decodeJwt, decodeProtectedHeader, importJWK, type JWTPayload, SignJWT } from 'jose';
import { respondWith, hang } from '../support/upstream/responses.ts';
import type { AuthorizationServerOptions } from '../support/authorization-server/authorization-server.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import { keyFile, keyPair } from '../support/authorization-server/client-keys.ts';
import { beginLogin, changed, errorCode, untilCallback, visitCallback, whoIs } from './steps.ts';

const { privateJwk, publicJwk } = keyPair('P-256', { kid: 'req', alg: 'ES256', use: 'sig' });
const clientKey = keyFile(privateJwk);

function start(
  { client, ...authorizationServer }: AuthorizationServerOptions,
  provider: BffOverrides['provider'] = {},
): Promise<TestBff> {
  const options = { ...authorizationServer, client: { jwks: { keys: [publicJwk] }, ...client } };
  return startBff({ store: 'memory', authorizationServer: options, provider });
}

describe('pushed authorization requests', () => {
  it('carry everything, once for each sign-in, and leave a reference in the address', async () => {
    await using bff = await start({ par: 'offered' }, { par: 'required' });
    const requests = [];
    for (let turn = 0; turn < 2; turn += 1)
      requests.push((await beginLogin(bff, bff.browser(), { login_hint: 'bob' })).request);
    for (const { searchParams } of requests)
      expect([...searchParams.keys()].toSorted()).toEqual(['client_id', 'request_uri']);
    expect(new Set(requests.map(({ searchParams }) => searchParams.get('request_uri'))).size).toBe(
      2,
    );
    const pushed = bff.authorizationServer.requestsTo('par');
    expect(pushed.map(({ method }) => method)).toEqual(['POST', 'POST']);
    for (const { form, headers } of pushed) {
      expect(form.has('request_uri')).toBe(false);
      expect([form.get('login_hint'), form.get('response_type')]).toEqual(['bob', 'code']);
      expect(headers.authorization).toMatch(/^Basic /);
    }
  });

  it.each([
    ['200', respondWith(200, { request_uri: 'urn:x', expires_in: 60 }), 502],
    ['201 without a reference', respondWith(201, { expires_in: 60 }), 502],
    ['201 with a number for it', respondWith(201, { request_uri: 1, expires_in: 60 }), 502],
    ['a refusal', respondWith(400, { error: 'invalid_request' }), 502],
    ['413', respondWith(413, { error: 'invalid_request' }), 502],
    ['429', respondWith(429, {}), 503],
    ['500', respondWith(500, {}), 503],
    ['a page', respondWith(201, '<html>'), 503],
    ['a redirect', respondWith(302, {}, { location: 'https://evil.example' }), 503],
    ['silence', hang(), 503],
  ])(
    'that come to nothing are never sent through the browser instead: %s',
    async (_, handler, status) => {
      await using bff = await start({ par: 'required' }, { timeout: '500ms' });
      bff.authorizationServer.override('par', handler);
      const { page } = await beginLogin(bff, bff.browser());
      expect([page.status, page.headers.get('location')]).toEqual([status, null]);
      expect(page.history[0]?.setCookie).toEqual([]);
    },
  );

  it('are refused where the provider has no place for them', async () => {
    await using bff = await start({ par: 'off' }, { par: 'required' });
    const { page } = await beginLogin(bff, bff.browser());
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
  });

  it('put the provider’s value into the address as one value', async () => {
    await using bff = await start({ par: 'required' });
    const name = 'urn:x&state=evil#&prompt=none';
    bff.authorizationServer.override(
      'par',
      respondWith(201, { request_uri: name, expires_in: 60 }),
    );
    const { request } = await beginLogin(bff, bff.browser());
    expect(Object.fromEntries(request.searchParams)).toEqual({
      client_id: 'test-client',
      request_uri: name,
    });
  });
});

describe('signed authorization requests', () => {
  const insisting = { require_signed_request_object: true, request_object_signing_alg: 'ES256' };

  it.each(['off', 'required'] as const)(
    'satisfy a server that takes no others (PAR %s)',
    async (par) => {
      await using bff = await start(
        { jar: true, par, client: insisting as object },
        { jar: true, clientKey },
      );
      const browser = bff.browser();
      const { request } = await beginLogin(bff, browser, { login_hint: 'bob', max_age: '60' });
      const sent =
        par === 'off'
          ? request.searchParams
          : (bff.authorizationServer.requestsTo('par')[0]?.form ?? new URLSearchParams());
      const object = sent.get('request') ?? '';
      expect(decodeProtectedHeader(object)).toEqual({
        alg: 'ES256',
        typ: 'oauth-authz-req+jwt',
        kid: 'req',
      });
      const { iat = 0, exp = 0, ...claims } = decodeJwt(object);
      expect(exp - iat).toBeLessThanOrEqual(60);
      expect(claims).toMatchObject({
        iss: 'test-client',
        client_id: 'test-client',
        aud: bff.authorizationServer.issuer,
        response_type: 'code',
        redirect_uri: `${bff.url}/bff/callback`,
        code_challenge_method: 'S256',
        login_hint: 'bob',
        max_age: 60,
      });
      // Nothing beside it contradicts it, or says what it says in the open.
      for (const name of ['state', 'nonce', 'code_challenge', 'redirect_uri', 'login_hint'])
        expect(sent.has(name)).toBe(false);
      await expect(whoIs(await bff.signedIn('alice', bff.browser()))).resolves.toBe('alice');
    },
  );

  it('name every resource that a route has tokens for', async () => {
    const resources = ['https://a.example.com', 'https://b.example.com'];
    await using bff = await startBff({
      store: 'memory',
      provider: { jar: true, clientKey },
      authorizationServer: {
        jar: true,
        client: { jwks: { keys: [publicJwk] } },
        resources: Object.fromEntries(resources.map((one) => [one, { scope: 'read' }])),
      },
      routes: (usual) => [
        usual,
        ...resources.map((resource, n) => ({ ...usual, path: `/own${n}`, resource })),
      ],
    });
    const { request } = await beginLogin(bff, bff.browser());
    const { resource } = decodeJwt(request.searchParams.get('request') ?? '');
    expect(resource).toEqual(resources);
    const browser = await bff.signedIn();
    expect((await browser.fetch('/own1/x')).status).toBe(200);
  });

  it('are what such a server insists on', async () => {
    await using bff = await start({ jar: true, client: insisting as object });
    await expect(bff.signedIn()).rejects.toThrow(/Nobody is signed in/);
  });
});

describe('signed authorization responses', () => {
  let bff: TestBff;
  beforeAll(async () => {
    const client = { authorization_signed_response_alg: 'ES256', response_modes: ['jwt'] };
    bff = await start({ jarm: true, client: client as object }, { jarm: true });
  });
  afterAll(() => bff.close());
  beforeEach(() => void (bff.authorizationServer.requests.length = 0));

  it('sign people in', async () => {
    const { request } = await beginLogin(bff, bff.browser());
    expect(request.searchParams.get('response_mode')).toBe('jwt');
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    expect([...callback.searchParams.keys()]).toEqual(['response']);
    expect((await visitCallback(bff, browser, callback)).status).toBe(302);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('report a refusal too', async () => {
    bff.authorizationServer.interaction = 'deny';
    const page = await bff.signIn(bff.browser());
    bff.authorizationServer.interaction = 'sign-in';
    expect([page.status, errorCode(page)]).toEqual([403, 'login_denied']);
  });

  const es256 = { alg: 'ES256', kid: 'ec' };
  const forge = async (claims: JWTPayload, header = es256, kid = 'ec') => {
    const jwk = bff.authorizationServer.signingKeys.find((one) => one.kid === kid);
    return new SignJWT(claims)
      .setProtectedHeader(header)
      .sign(await importJWK(jwk as object, header.alg));
  };
  const without = (token: string, part: number) => token.split('.').with(part, '').join('.');

  it.each<[string, number, (good: string) => Promise<string> | string]>([
    [
      'one with a letter changed',
      400,
      (good) => good.slice(0, -6) + (good.at(-6) === 'A' ? 'B' : 'A') + good.slice(-5),
    ],
    ['one without a signature', 400, (good) => without(good, 2)],
    [
      'one by none',
      400,
      (good) => `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`,
    ],
    [
      'one of another issuer',
      400,
      (good) => forge({ ...decodeJwt(good), iss: 'https://evil.example' }),
    ],
    ['one without an issuer', 400, (good) => forge({ ...decodeJwt(good), iss: undefined })],
    ['one for another client', 400, (good) => forge({ ...decodeJwt(good), aud: 'other' })],
    ['one without an audience', 400, (good) => forge({ ...decodeJwt(good), aud: undefined })],
    ['one that never expires', 400, (good) => forge({ ...decodeJwt(good), exp: undefined })],
    ['one that is too old', 400, (good) => forge({ ...decodeJwt(good), exp: 1_000_000 })],
    [
      'one with a key of another kind',
      400,
      (good) => forge(decodeJwt(good), { alg: 'ES256', kid: 'rsa' }),
    ],
    [
      'one by an algorithm nobody allowed',
      400,
      (good) => forge(decodeJwt(good), { alg: 'RS512', kid: 'rsa' }, 'rsa'),
    ],
    ['one without a code', 400, (good) => forge({ ...decodeJwt(good), code: undefined })],
    ['an empty one', 400, () => ''],
    ['an encrypted one', 400, () => 'a.b.c.d.e'],
  ])('do not sign in when they are not valid: %s', async (_name, status, change) => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    const response = await change(callback.searchParams.get('response') ?? '');
    const page = await visitCallback(bff, browser, changed(callback, { response }));
    expect([page.status, await whoIs(browser)]).toEqual([status, undefined]);
    expect(bff.authorizationServer.tokenRequests()).toEqual([]);
  });

  it('cannot be left out: the parameters in the open are nothing', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    const { code, state, iss } = decodeJwt(callback.searchParams.get('response') ?? '');
    const open = { code: String(code), state: String(state), iss: String(iss) };
    const page = await visitCallback(bff, browser, changed(callback, { response: null, ...open }));
    expect([page.status, errorCode(page)]).toEqual([400, 'invalid_request']);
    const both = await visitCallback(
      bff,
      browser,
      changed(callback, { code: 'evil', state: 'evil' }),
    );
    expect(both.status).toBe(302);
    expect(bff.authorizationServer.tokenRequests()[0]?.form.get('code')).toBe(code);
  });

  it('are not verified for a browser that began no sign-in', async () => {
    const callback = await untilCallback(bff, bff.browser());
    const page = await visitCallback(bff, bff.browser(), changed(callback, { response: 'x.y.z' }));
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
  });
});

describe('a response in a form', () => {
  let bff: TestBff;
  beforeAll(async () => {
    bff = await startBff({
      https: true,
      provider: { responseMode: 'form_post' },
      authorizationServer: {},
    });
  });
  afterAll(() => bff.close());
  beforeEach(() => void (bff.authorizationServer.requests.length = 0));

  it('signs people in, and its redirect is a 303', async () => {
    const browser = bff.browser();
    const page = await bff.signIn(browser, { returnUrl: '/welcome' });
    const posted = page.history.find(({ method }) => method === 'POST');
    expect(posted).toMatchObject({
      url: `${bff.url}/bff/callback`,
      status: 303,
      location: '/welcome',
    });
    expect(posted?.requestHeaders).toMatchObject({ 'sec-fetch-site': 'cross-site' });
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('needs a login cookie that travels with it; the session cookie stays as strict as ever', async () => {
    const page = await bff.signIn(bff.browser());
    const set = page.history.flatMap(({ setCookie }) => setCookie);
    const line = (name: string) => set.find((one) => one.startsWith(`${name}=`));
    expect(line('__Host-Http-bff-login')).toMatch(/HttpOnly; Secure; SameSite=None$/);
    expect(line('__Host-Http-bff')).toMatch(/SameSite=Strict$/);
  });

  it('is the only one: what comes in the address is 405, and HEAD spends nothing', async () => {
    const browser = bff.browser();
    for (const method of ['GET', 'HEAD', 'PUT']) {
      const page = await browser.navigate(`${bff.url}/bff/callback?code=a&state=b`, { method });
      expect([page.status, page.headers.get('allow')]).toEqual([405, 'POST']);
    }
  });

  const form = (fields: Record<string, string>) => ({
    form: fields,
    from: bff.authorizationServer.issuer,
    redirect: 'manual' as const,
  });

  /** The fields of an answer that has not been sent. */
  async function outcomeOf(browser: ReturnType<TestBff['browser']>) {
    const { request } = await beginLogin(bff, browser);
    return {
      state: request.searchParams.get('state') ?? '',
      code: 'made up',
      iss: bff.authorizationServer.issuer,
    };
  }

  it('of another browser does not sign in: it is bound to the browser that began', async () => {
    const fields = await outcomeOf(bff.browser());
    const page = await bff.browser().navigate(`${bff.url}/bff/callback`, form(fields));
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(bff.authorizationServer.tokenRequests()).toEqual([]);
  });

  it('counts by its body alone, and only as a form', async () => {
    const browser = bff.browser();
    const fields = await outcomeOf(browser);
    const query = new URLSearchParams(fields);
    const inAddress = await browser.navigate(`${bff.url}/bff/callback?${query}`, form({}));
    expect([inAddress.status, errorCode(inAddress)]).toEqual([400, 'login_expired']);
    const json = await browser.navigate(`${bff.url}/bff/callback`, {
      ...form(fields),
      headers: { 'content-type': 'application/json' },
    });
    expect([json.status, errorCode(json)]).toEqual([400, 'login_expired']);
    const large = await browser.navigate(
      `${bff.url}/bff/callback`,
      form({ ...fields, x: 'x'.repeat(70_000) }),
    );
    expect(large.status).toBe(413);
    const other = await browser.navigate(
      `${bff.url}/bff/callback`,
      form({ ...fields, iss: 'https://evil.example' }),
    );
    expect([other.status, errorCode(other)]).toEqual([400, 'invalid_request']);
    expect(bff.authorizationServer.tokenRequests()).toEqual([]);
  });

  it('is refused where it was not requested', async () => {
    await using other = await startBff({ https: true });
    const page = await other.browser().navigate(`${other.url}/bff/callback`, {
      form: { code: 'a', state: 'b' },
      from: other.authorizationServer.issuer,
    });
    expect([page.status, page.headers.get('allow')]).toEqual([405, 'GET']);
    const { page: begun } = await beginLogin(other, other.browser());
    expect(begun.history[0]?.setCookie[0]).toMatch(/SameSite=Lax$/);
  });

  it('that fails leads to the application’s own page by a 303, too', async () => {
    await using other = await startBff({
      https: true,
      errorUrl: '/oops',
      provider: { responseMode: 'form_post' },
    });
    const page = await other.browser().navigate(`${other.url}/bff/callback`, form({ state: 'x' }));
    expect([page.status, page.headers.get('location')]).toEqual([303, '/oops?code=login_expired']);
  });

  it('may be signed as well', async () => {
    await using signed = await startBff({
      https: true,
      provider: { responseMode: 'form_post', jarm: true },
      authorizationServer: { jarm: true, client: { authorization_signed_response_alg: 'ES256' } },
    });
    await expect(whoIs(await signed.signedIn())).resolves.toBe('alice');
    const [request] = signed.authorizationServer.authorizationRequests();
    expect(request?.query.get('response_mode')).toBe('form_post.jwt');
  });
});
