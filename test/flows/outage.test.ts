import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { decodeJwt, exportJWK, importJWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import {
  answer,
  download,
  hang,
  hangUp,
  inTurn,
  passOn,
  redirectTo,
  type Handler,
} from '../support/answers.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff.ts';
import { testClock } from '../support/clock.ts';
import { waitFor } from '../support/wait-for.ts';
import { asProgram, beginLogin, errorCode, untilCallback, visitCallback, whoIs } from './steps.ts';

const rejections: unknown[] = [];
const note = (reason: unknown) => void rejections.push(reason);
beforeAll(() => void process.on('unhandledRejection', note));
afterAll(() => void process.off('unhandledRejection', note));

/** UserInfo is asked, and nothing takes longer than half a second. */
const impatient: BffOverrides = {
  provider: { timeout: '900ms', maxResponse: '20kb' },
  authorizationServer: { claimsInIdToken: false },
};

const json = { 'content-type': 'application/json' };

/** What "not now" looks like, wherever it comes from. */
const outages: readonly (readonly [string, Handler])[] = [
  ['hangs up', hangUp()],
  ['answers 500', answer(500, { error: 'server_error' })],
  ['answers 502 with HTML', answer(502, '<h1>Bad gateway</h1>')],
  ['answers 503', answer(503, { error: 'temporarily_unavailable' }, { 'retry-after': '60' })],
  ['answers 429', answer(429, { error: 'slow_down' })],
  ['answers HTML', answer(200, '<!doctype html>', { 'content-type': 'text/html' })],
  ['answers nothing', answer(200)],
  ['answers half of it', answer(200, '{"issuer":"', json)],
  ['answers too much', answer(200, JSON.stringify('x'.repeat(30_000)), json)],
  ['never stops', download(1e12, json)],
  ['hangs', hang()],
  ['hangs half-way', (_request, response) => void response.writeHead(200, json).write('{')],
  ['redirects', redirectTo('https://evil.example/', 307)],
];

/** What is an answer, but not one that signs anybody in. */
const refusals: readonly (readonly [string, Handler])[] = [
  ['refuses', answer(400, { error: 'invalid_request', error_description: '<b>canary</b>' })],
  ['answers an empty object', answer(200, {})],
  ['answers a list', answer(200, '[]', json)],
  ['answers null', answer(200, 'null', json)],
  ['is not there', answer(404, { error: 'not_found' })],
];

async function expectNobody(bff: TestBff, browser = bff.browser()): Promise<void> {
  await expect(whoIs(browser)).resolves.toBeUndefined();
  expect((await bff.redis.dump()).size).toBe(0);
}

describe('a provider whose discovery', () => {
  it.each(outages)(
    '%s makes a login 503, and works again as soon as it does',
    async (_, handler) => {
      const clock = testClock();
      await using bff = await startBff({ ...impatient, clock: clock.now });
      bff.authorizationServer.override('discovery', handler);
      const browser = bff.browser();
      const { page } = await beginLogin(bff, browser);
      expect([page.status, errorCode(page)]).toEqual([503, 'provider_unavailable']);
      expect(page.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(page.history[0]?.setCookie).toEqual([]);
      await expectNobody(bff);

      bff.authorizationServer.override('discovery', undefined);
      clock.advance(1000);
      await bff.signedIn('alice', browser);
    },
  );

  it.each([
    ...refusals.filter(([name]) => name !== 'is not there'),
    [
      'names another issuer',
      answer(200, {
        issuer: 'https://evil.example',
        authorization_endpoint: 'https://evil.example/',
      }),
    ],
  ] as const)('%s makes a login 502', async (_, handler) => {
    await using bff = await startBff(impatient);
    bff.authorizationServer.override('discovery', handler);
    const page = await bff
      .browser()
      .navigate('/bff/login', { redirect: 'manual', headers: asProgram });
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    expect(page.body).not.toContain('canary');
    await expectNobody(bff);
  });
});

describe.each(['token', 'jwks', 'userinfo'] as const)(
  'a provider whose %s endpoint',
  (endpoint) => {
    it.each([
      ...outages.map((row) => [...row, 503, 'provider_unavailable'] as const),
      ...refusals.map((row) => [...row, 502, 'login_failed'] as const),
    ])('%s signs nobody in, and leaves nothing behind', async (_, handler, status, code) => {
      await using bff = await startBff(impatient);
      bff.authorizationServer.override(endpoint, handler);
      const browser = bff.browser();
      const began = performance.now();
      const page = await bff.signIn(browser);
      expect(performance.now() - began).toBeLessThan(2500);
      expect([page.status, errorCode(page)]).toEqual([status, code]);
      expect(page.headers.get('retry-after') !== null).toBe(status === 503);
      expect(page.body).not.toContain('canary');
      expect(bff.authorizationServer.requestsTo(endpoint)).toHaveLength(1);
      await expectNobody(bff, browser);

      bff.authorizationServer.override(endpoint, undefined);
      await bff.signedIn('alice', browser);
    });
  },
);

describe('a provider that is down', () => {
  it('does not keep the BFF from starting, and is found when it comes', async () => {
    const clock = testClock();
    await using bff = await startBff({ clock: clock.now, store: 'memory' });
    await bff.stop();
    await bff.authorizationServer.goDown();
    await bff.start();
    const browser = bff.browser();
    expect((await browser.fetch('/bff/user')).status).toBe(401);
    const { page } = await beginLogin(bff, browser);
    expect([page.status, errorCode(page)]).toEqual([503, 'provider_unavailable']);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    await bff.authorizationServer.comeBack();
    clock.advance(1000);
    await bff.signedIn('alice', browser);
  });

  it('changes nothing for those who are signed in', async () => {
    await using bff = await startBff({ store: 'memory' });
    const browser = await bff.signedIn();
    await bff.authorizationServer.goDown();
    await expect(whoIs(browser)).resolves.toBe('alice');
    expect((await browser.fetch('/api/x')).status).toBe(200);
  });

  it('while a sign-in comes back leaves its state good, as long as nothing was asked', async () => {
    const clock = testClock();
    await using bff = await startBff({ clock: clock.now });
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    await bff.stop();
    await bff.start();
    await bff.authorizationServer.goDown();
    const failed = await waitFor(() => visitCallback(bff, browser, callback));
    expect([failed.status, errorCode(failed)]).toEqual([503, 'provider_unavailable']);
    await bff.authorizationServer.comeBack();
    clock.advance(1000);
    expect((await visitCallback(bff, browser, callback)).status).toBe(302);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('does not change the answer to a callback that is nobody’s', async () => {
    await using bff = await startBff({ store: 'memory' });
    await bff.authorizationServer.goDown();
    const page = await bff
      .browser()
      .navigate('/bff/callback?code=x&state=y', { redirect: 'manual' });
    expect([page.status, errorCode(page)]).toEqual([400, 'login_expired']);
  });

  it('once is asked once: nothing is sent twice that could be spent twice', async () => {
    await using bff = await startBff({ store: 'memory' });
    bff.authorizationServer.override('token', inTurn(hangUp(), passOn()));
    const page = await bff.signIn(bff.browser());
    expect([page.status, errorCode(page)]).toEqual([503, 'provider_unavailable']);
    expect(bff.authorizationServer.tokenRequests()).toHaveLength(1);
  });
});

/** What it takes to write an ID token of one's own. */
interface Forge {
  readonly bff: TestBff;
  readonly claims: JWTPayload;
  /** The token as the authorization server made it. */
  readonly genuine: string;
  /** Signs like the authorization server, with the key of that name. */
  sign(claims: object, header?: object, kid?: string): Promise<string>;
}

type IdToken = (forge: Forge) => unknown;

function forge(bff: TestBff, make: IdToken): void {
  bff.authorizationServer.transform('token', async (response) => {
    const genuine = String(response['id_token']);
    const sign: Forge['sign'] = async (claims, header = {}, kid = 'rsa') => {
      const key = bff.authorizationServer.signingKeys.find((candidate) => candidate.kid === kid);
      const alg = { rsa: 'RS256', ec: 'ES256', ed: 'EdDSA' }[kid] ?? 'RS256';
      const protectedHeader = { alg, kid, ...header };
      return new SignJWT(claims as JWTPayload)
        .setProtectedHeader(protectedHeader)
        .sign(await importJWK(key as never, protectedHeader.alg));
    };
    return {
      ...response,
      id_token: await make({ bff, claims: decodeJwt(genuine), genuine, sign }),
    };
  });
}

const without = (claims: JWTPayload, name: string) =>
  Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
const changes =
  (values: Record<string, unknown>): IdToken =>
  ({ claims, sign }) =>
    sign({ ...claims, ...values });
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);

/** Signs with HMAC, as a library does that lets the token choose its algorithm. */
function symmetric(claims: JWTPayload, key: string | Buffer): string {
  const text = `${base64url({ alg: 'HS256' })}.${base64url(claims)}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

function publicKeyOf(bff: TestBff) {
  const jwk = bff.authorizationServer.signingKeys.find(({ kid }) => kid === 'rsa');
  return createPublicKey({ key: jwk as never, format: 'jwk' });
}

const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const signedByAStranger = (claims: JWTPayload, header: object = {}) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: 'rsa', ...header })
    .sign(stranger.privateKey);

const wrongIdTokens: readonly (readonly [string, IdToken])[] = [
  ['that is missing', () => undefined],
  ['that is empty', () => ''],
  ['that is a number', () => 1],
  ['that is garbage', () => 'a.b.c'],
  ['of two parts', ({ genuine }) => genuine.split('.').slice(0, 2).join('.')],
  ['of five parts', ({ genuine }) => `${genuine}.x.y`],
  ['of another sign-in', changes({ nonce: 'another' })],
  ['without a nonce', ({ claims, sign }) => sign(without(claims, 'nonce'))],
  ['with a list of nonces', ({ claims, sign }) => sign({ ...claims, nonce: [claims['nonce']] })],
  ['of another issuer', changes({ iss: 'https://evil.example' })],
  [
    'of an issuer with a slash at its end',
    ({ claims, sign }) => sign({ ...claims, iss: `${claims.iss}/` }),
  ],
  ['without an issuer', ({ claims, sign }) => sign(without(claims, 'iss'))],
  ['for another client', changes({ aud: 'another' })],
  ['for nobody', changes({ aud: [] })],
  ['without an audience', ({ claims, sign }) => sign(without(claims, 'aud'))],
  ['for us among others', ({ claims, sign }) => sign({ ...claims, aud: [claims.aud, 'another'] })],
  ['authorized for another client', changes({ azp: 'another' })],
  ['that has expired', changes({ exp: now() - 3600 })],
  ['whose end is text', changes({ exp: 'tomorrow' })],
  ['that never ends', ({ claims, sign }) => sign(without(claims, 'exp'))],
  [
    'from the future',
    ({ claims, sign }) => sign({ ...claims, iat: now() + 3600, exp: now() + 7200 }),
  ],
  ['not yet valid', ({ claims, sign }) => sign({ ...claims, nbf: now() + 3600 })],
  ['without the time it was made', ({ claims, sign }) => sign(without(claims, 'iat'))],
  ['about nobody', ({ claims, sign }) => sign(without(claims, 'sub'))],
  ['about an empty subject', changes({ sub: '' })],
  ['about a number', changes({ sub: 42 })],
  ['about a subject with a line break', changes({ sub: 'alice\r\nX-Admin: 1' })],
  ['about a subject without end', changes({ sub: 'x'.repeat(300) })],
  ['bound to another access token', changes({ at_hash: 'another' })],
  ['that nobody signed', ({ claims }) => new UnsecuredJWT(claims).encode()],
  [
    'that nobody signed, in odd letters',
    ({ claims }) => `${base64url({ alg: 'nOnE' })}.${base64url(claims)}.`,
  ],
  ['without an algorithm', ({ claims }) => `${base64url({ kid: 'rsa' })}.${base64url(claims)}.`],
  ['whose signature is gone', ({ genuine }) => genuine.replace(/[^.]*$/, '')],
  [
    'whose signature was changed',
    ({ genuine }) => genuine.slice(0, -10) + genuine.slice(-10).split('').toReversed().join(''),
  ],
  [
    'whose claims were changed',
    ({ genuine, claims }) => genuine.replace(/\..*\./, `.${base64url({ ...claims, sub: 'bob' })}.`),
  ],
  [
    'signed with the client secret',
    ({ claims, bff }) => symmetric(claims, bff.authorizationServer.clientSecret),
  ],
  [
    'signed with the public key as a secret',
    ({ claims, bff }) =>
      symmetric(claims, publicKeyOf(bff).export({ format: 'pem', type: 'spki' })),
  ],
  [
    'signed with the JWK as a secret',
    ({ claims, bff }) =>
      symmetric(claims, JSON.stringify(publicKeyOf(bff).export({ format: 'jwk' }))),
  ],
  ['signed by a stranger', ({ claims }) => signedByAStranger(claims)],
  [
    'signed by a stranger with a key nobody knows',
    ({ claims }) => signedByAStranger(claims, { kid: 'stranger' }),
  ],
  [
    'that brings its own key',
    async ({ claims }) => signedByAStranger(claims, { jwk: await exportJWK(stranger.publicKey) }),
  ],
  [
    'that says where its key is',
    ({ claims, bff }) =>
      signedByAStranger(claims, {
        jku: `${bff.upstream.url}/jwks`,
        x5u: `${bff.upstream.url}/x5u`,
      }),
  ],
  [
    'signed with an algorithm we do not allow',
    ({ claims, sign }) => sign(claims, { alg: 'RS512' }),
  ],
  [
    'with an extension nobody knows',
    ({ claims, sign }) => sign(claims, { crit: ['b64'], b64: true }),
  ],
];

describe('an ID token', () => {
  it.each(wrongIdTokens)('%s signs nobody in', async (_, make) => {
    await using bff = await startBff({ authorizationServer: { claimsInIdToken: false } });
    forge(bff, make);
    const browser = bff.browser();
    const page = await bff.signIn(browser);
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    expect(page.history.at(-1)?.setCookie).toEqual([]);
    expect(bff.authorizationServer.requestsTo('userinfo')).toEqual([]);
    expect(bff.upstream.requests).toEqual([]);
    await expectNobody(bff, browser);
  });

  it.each([
    ['made again', ({ claims, sign }) => sign(claims)],
    ['for a list of one', ({ claims, sign }) => sign({ ...claims, aud: [claims.aud] })],
    [
      'for several, authorized for us',
      ({ claims, sign }) => sign({ ...claims, aud: [claims.aud, 'x'], azp: claims.aud }),
    ],
    ['without a hash of the access token', ({ claims, sign }) => sign(without(claims, 'at_hash'))],
    ['that expired a moment ago', ({ claims, sign }) => sign({ ...claims, exp: now() - 5 })],
    ['of a clock a little ahead', ({ claims, sign }) => sign({ ...claims, iat: now() + 30 })],
  ] as [string, IdToken][])('%s signs in', async (_, make) => {
    await using bff = await startBff({ store: 'memory' });
    forge(bff, make);
    await expect(whoIs(await bff.signedIn())).resolves.toBe('alice');
  });

  it.each(['ES256', 'PS256', 'EdDSA'])('signed with %s signs in', async (algorithm) => {
    await using bff = await startBff({
      store: 'memory',
      authorizationServer: {
        client: { id_token_signed_response_alg: algorithm as 'ES256' },
        configuration: (usual) => ({
          ...usual,
          enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
        }),
      },
    });
    await expect(whoIs(await bff.signedIn())).resolves.toBe('alice');
  });

  it('of a sign-in longer ago than max_age allows signs nobody in', async () => {
    await using bff = await startBff({ store: 'memory' });
    forge(bff, ({ claims, sign }) => sign({ ...claims, auth_time: now() - 3600 }));
    const page = await bff.signIn(bff.browser(), { max_age: '60' });
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    forge(bff, ({ claims, sign }) => sign({ ...claims, auth_time: now() }));
    const { history } = await bff.signIn(bff.browser(), { max_age: '60' });
    expect(history.findLast(({ url }) => url.includes('/bff/callback'))?.status).toBe(302);
  });

  it('signed with a key that was made a moment ago signs in at the second attempt at the latest', async () => {
    await using bff = await startBff({ store: 'memory' });
    await bff.signedIn();
    const fresh = { ...(await exportJWK(stranger.publicKey)), kid: 'fresh', use: 'sig' };
    bff.authorizationServer.override('jwks', answer(200, { keys: [fresh] }));
    forge(bff, ({ claims }) => signedByAStranger(claims, { kid: 'fresh' }));
    await bff.signIn(bff.browser());
    await waitFor(() => bff.signedIn());
    expect(bff.authorizationServer.requestsTo('jwks')).toHaveLength(2);
  });
});

describe('a token response', () => {
  it.each([
    ['no access token', { access_token: undefined }],
    ['an empty access token', { access_token: '' }],
    ['an access token that is a number', { access_token: 1 }],
    ['an access token with a line break', { access_token: 'a\r\nX-Admin: 1' }],
    ['an access token that is not ASCII', { access_token: 'tökén' }],
    ['no type', { token_type: undefined }],
    ['a type nobody asked for', { token_type: 'DPoP' }],
    ['another type', { token_type: 'mac' }],
    ['a lifetime that is text', { expires_in: 'soon' }],
    ['a negative lifetime', { expires_in: -1 }],
    ['a refresh token that is a number', { refresh_token: 1 }],
    ['an error beside everything', { access_token: undefined, error: 'invalid_grant' }],
  ])('with %s signs nobody in', async (_, changed) => {
    await using bff = await startBff();
    bff.authorizationServer.transform('token', (response) => ({ ...response, ...changed }));
    const browser = bff.browser();
    const page = await bff.signIn(browser);
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    await expectNobody(bff, browser);
  });

  it.each([
    ['a type in other letters', { token_type: 'BEARER' }],
    ['no lifetime', { expires_in: undefined }],
    ['no refresh token', { refresh_token: undefined }],
    ['members nobody knows', { extra: { deep: [1, 2, 3] }, constructor: 'x' }],
    ['less scope than was asked', { scope: 'openid' }],
  ])('with %s signs in', async (_, changed) => {
    await using bff = await startBff({ store: 'memory' });
    bff.authorizationServer.transform('token', (response) => ({ ...response, ...changed }));
    const browser = await bff.signedIn();
    expect((await browser.fetch('/api/x')).status).toBe(200);
  });

  it('with cookies and instructions for the browser is not for the browser', async () => {
    await using bff = await startBff({ store: 'memory' });
    bff.authorizationServer.override('token', (_request, response) => {
      response.setHeader('set-cookie', 'bff=planted; Path=/');
      response.setHeader('clear-site-data', '"*"');
      return 'continue';
    });
    const page = await bff.signIn(bff.browser());
    const back = page.history.find(({ url }) => url.includes('/bff/callback'));
    expect(back?.setCookie.join()).not.toContain('planted');
  });
});

describe('a UserInfo answer', () => {
  it.each([
    ['about somebody else', { sub: 'bob' }],
    ['about nobody', { sub: undefined }],
    ['with more claims than a session should hold', { groups: 'x'.repeat(70_000) }],
    ['about several', { sub: ['alice'] }],
  ])('%s signs nobody in', async (_, changed) => {
    await using bff = await startBff({ authorizationServer: { claimsInIdToken: false } });
    bff.authorizationServer.transform('userinfo', (claims) => ({ ...claims, ...changed }));
    const browser = bff.browser();
    const page = await bff.signIn(browser);
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    await expectNobody(bff, browser);
  });

  it('that refuses in a header alone is a refusal', async () => {
    await using bff = await startBff(impatient);
    bff.authorizationServer.override(
      'userinfo',
      answer(401, '', { 'www-authenticate': 'Bearer error="invalid_token"' }),
    );
    const page = await bff.signIn(bff.browser());
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
  });
});

describe('whatever a provider did above', () => {
  it('left no promise unattended, which would have ended a server', async () => {
    await new Promise((resolve) => setImmediate(resolve));
    expect(rejections).toEqual([]);
  });
});
