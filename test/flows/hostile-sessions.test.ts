import type { JWTPayload } from 'jose';
import {
  respondWith,
  download,
  hang,
  hangUp,
  redirectTo,
  type Handler,
} from '../support/upstream/responses.ts';
import {
  changes,
  signAs,
  signedByUnknownKey,
  withIdToken,
} from '../support/authorization-server/forged-id-tokens.ts';
import {
  type Arrange,
  canary,
  failed,
  withoutViolations,
  HostileServerSetup,
  inOrder,
  type Misbehaviour,
  unavailable,
} from '../support/authorization-server/hostile-server-setup.ts';
import { beginLogin, errorCode, keysOf } from './steps.ts';

const hour = 3600;
const now = () => Math.floor(Date.now() / 1000);
const json = { 'content-type': 'application/json' };
const said = (error: string) => ({ error, error_description: `<b>${canary}</b>` });

/** UserInfo says so, but for these claims. */
const userInfo =
  (values: Record<string, unknown>): Arrange =>
  (setup) =>
    setup.server.transform('userinfo', (claims) => ({ ...claims, ...values }));

const overrideUserInfo =
  (handler: Handler): Arrange =>
  (setup) =>
    setup.server.override('userinfo', handler);

/** UserInfo is a JWT with these claims. */
const userInfoToken =
  (make: (claims: JWTPayload, setup: HostileServerSetup) => string | Promise<string>): Arrange =>
  (setup) =>
    setup.server.override('userinfo', async (...call) => {
      const claims = {
        iss: setup.server.issuer,
        aud: setup.server.clientId,
        sub: 'alice',
        name: 'A',
      };
      const token = await make(claims, setup);
      return respondWith(200, token, { 'content-type': 'application/jwt' })(...call);
    });

/** What UserInfo may say (OIDC Core §5.3). What was asked for and is wrong signs nobody in. */
const users: readonly Misbehaviour[] = [
  ['H-60', 'is about somebody else', userInfo({ sub: 'bob' }), failed],
  ['H-60', 'is about nobody', userInfo({ sub: undefined }), failed],
  ['H-60', 'is about an empty subject', userInfo({ sub: '' }), failed],
  ['H-60', 'is about several', userInfo({ sub: ['alice'] }), failed],
  ['H-60', 'is about a subject in other letters', userInfo({ sub: 'ALICE' }), failed],
  ['H-61', 'refuses the token', overrideUserInfo(respondWith(401, said('invalid_token'))), failed],
  [
    'H-61',
    'refuses in a header',
    overrideUserInfo(respondWith(401, '', { 'www-authenticate': `Bearer error="${canary}"` })),
    failed,
  ],
  ['H-61', 'forbids', overrideUserInfo(respondWith(403, said('insufficient_scope'))), failed],
  ['H-61', 'breaks', overrideUserInfo(respondWith(500, said('server_error'))), unavailable],
  ['H-61', 'never answers', overrideUserInfo(hang()), unavailable],
  ['H-61', 'hangs up', overrideUserInfo(hangUp()), unavailable],
  [
    'H-61',
    'redirects',
    (setup) => setup.server.override('userinfo', redirectTo(setup.bff.upstream.url, 307)),
    unavailable,
  ],
  ['H-61', 'never stops', overrideUserInfo(download(1e12, json)), unavailable],
  ['H-61', 'is a page', overrideUserInfo(respondWith(200, `<html>${canary}`)), unavailable],
  ['H-61', 'is a list', overrideUserInfo(respondWith(200, '[]', json)), failed],
  [
    'H-61',
    'is more than a session should hold',
    userInfo({ groups: Array.from({ length: 3000 }, (_, n) => `${canary} group number ${n}`) }),
    failed,
  ],
  [
    'H-61',
    'is signed by a stranger',
    userInfoToken((claims) => signedByUnknownKey(claims)),
    failed,
  ],
  [
    'H-61',
    'is signed by nobody',
    userInfoToken(
      (claims) =>
        `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`,
    ),
    failed,
  ],
  [
    'H-61',
    'is signed for another client',
    userInfoToken((claims, setup) => signAs(setup.server, { ...claims, aud: 'another' })),
    failed,
  ],
  [
    'H-61',
    'is signed by another issuer',
    userInfoToken((claims, setup) =>
      signAs(setup.server, { ...claims, iss: 'https://evil.example' }),
    ),
    failed,
  ],
  ['H-61', 'is signed garbage', userInfoToken(() => `${canary}.b.c`), failed],
  [
    'H-61',
    'is signed',
    userInfoToken((claims, setup) => signAs(setup.server, claims)),
    'signed in',
  ],
  [
    'H-62',
    'speaks of the token',
    userInfo({ iss: 'evil', aud: 'evil', exp: 1, nonce: 'evil', sid: 'evil' }),
    'signed in',
  ],
];

describe('a UserInfo endpoint that', () => {
  let setup: HostileServerSetup;
  beforeAll(async () => {
    setup = await HostileServerSetup.start({
      authorizationServer: { claimsInIdToken: false },
      provider: { maxResponse: '1mb' },
    });
  });
  afterAll(() => setup.close());
  beforeEach(() => setup.reset());

  it.each(users)('(%s) %s', async (_id, _what, arrange, outcome) => {
    expect(await setup.run(arrange)).toEqual(withoutViolations(outcome));
    if (outcome !== 'signed in') return;
    const user = (await (await setup.visitor.fetch('/bff/user')).json()) as {
      sub: string;
      claims: object;
    };
    expect(user.sub).toBe('alice');
    expect(JSON.stringify(user)).not.toContain('evil');
  });
});

/** What the token endpoint says to a refresh. */
const refresh =
  (handler: Handler): Arrange =>
  (setup) =>
    setup.server.override('token', handler);

const refreshed =
  (values: object): Arrange =>
  (setup) =>
    void (setup.tokens = (response) => ({ ...response, id_token: undefined, ...values }));

const idToken = (values: object | (() => object)) => withIdToken(changes(values));

type Refresh = readonly [
  id: string,
  what: string,
  Arrange,
  status: number,
  session: 'kept' | 'ended',
];

/**
 * What a refresh may bring (RFC 6749 §6, OIDC Core §12.2). Only the user's or the grant's end ends
 * a session.
 */
const refreshes: readonly Refresh[] = [
  ['H-63', 'invalid_grant', refresh(respondWith(400, said('invalid_grant'))), 401, 'ended'],
  ['H-64', 'a 500', refresh(respondWith(500, said('server_error'))), 503, 'kept'],
  ['H-64', 'a cut connection', refresh(hangUp()), 503, 'kept'],
  [
    'H-64',
    'a 200 with invalid_grant',
    refresh(respondWith(200, said('invalid_grant'))),
    503,
    'kept',
  ],
  [
    'H-64',
    'a 500 with invalid_grant',
    refresh(respondWith(500, said('invalid_grant'))),
    503,
    'kept',
  ],
  ['H-64', 'invalid_client', refresh(respondWith(401, said('invalid_client'))), 503, 'kept'],
  [
    'H-64',
    'a redirect',
    (setup) => setup.server.override('token', redirectTo(setup.bff.upstream.url, 307)),
    503,
    'kept',
  ],
  ['H-64', 'something that never stops', refresh(download(1e12, json)), 503, 'kept'],
  ['H-66', 'no refresh token', refreshed({ refresh_token: undefined }), 200, 'kept'],
  ['H-66', 'an empty refresh token', refreshed({ refresh_token: '' }), 503, 'kept'],
  ['H-68', 'less scope', refreshed({ scope: 'openid' }), 200, 'kept'],
  ['H-68', 'another type', refreshed({ token_type: 'DPoP' }), 503, 'kept'],
  ['H-68', 'no type', refreshed({ token_type: undefined }), 503, 'kept'],
  [
    'H-68',
    'an access token with a line break',
    refreshed({ access_token: `${canary}\r\nX: y` }),
    503,
    'kept',
  ],
  [
    'H-68',
    'an access token of 33 kB',
    refreshed({ access_token: 'a'.repeat(33_000) }),
    503,
    'kept',
  ],
  ['H-67', 'no ID token', refreshed({}), 200, 'kept'],
  ['H-67', 'another ID token', idToken(() => ({ iat: now() })), 200, 'kept'],
  ['H-67', 'an ID token without a nonce', idToken({ nonce: undefined }), 200, 'kept'],
  ['H-67', 'the ID token of somebody else', idToken({ sub: 'mallory' }), 401, 'ended'],
  [
    'H-67',
    'the ID token of another authentication',
    idToken(() => ({ auth_time: now() + 30 })),
    200,
    'kept',
  ],
  ['H-67', 'the ID token of another issuer', idToken({ iss: 'https://evil.example' }), 503, 'kept'],
  ['H-67', 'an ID token for another client', idToken({ aud: 'another' }), 503, 'kept'],
  ['H-67', 'an ID token authorized for another client', idToken({ azp: 'another' }), 503, 'kept'],
  ['H-67', 'an ID token with another nonce', idToken({ nonce: 'another' }), 503, 'kept'],
  ['H-67', 'an ID token for another access token', idToken({ at_hash: 'another' }), 503, 'kept'],
  ['H-67', 'an ID token that has expired', idToken(() => ({ exp: now() - hour })), 503, 'kept'],
  [
    'H-67',
    'an ID token from the future',
    idToken(() => ({ iat: now() + hour, exp: now() + 2 * hour })),
    503,
    'kept',
  ],
  [
    'H-67',
    'somebody else’s ID token, signed by a stranger',
    withIdToken(({ claims }) => signedByUnknownKey({ ...claims, sub: 'mallory' })),
    503,
    'kept',
  ],
  ['H-67', 'garbage as ID token', withIdToken(() => `${canary}.b.c`), 503, 'kept'],
];

describe('a refresh that brings', () => {
  let setup: HostileServerSetup;
  beforeAll(async () => {
    setup = await HostileServerSetup.start({
      authorizationServer: { accessTokenSeconds: 60, client: { require_auth_time: true } },
    });
  });
  afterAll(() => setup.close());
  beforeEach(async () => {
    await setup.reset();
    // After the pauses that a failure of the row before has left.
    setup.clock.advance(60_000);
    await setup.run();
  });

  it.each(refreshes)('(%s) %s', async (_id, _what, arrange, status, session) => {
    setup.clock.advance(61_000);
    await arrange(setup);
    const began = performance.now();
    const response = await setup.visitor.fetch('/api/x');
    expect(performance.now() - began).toBeLessThan(2500);
    const body = await response.text();
    const code = { 401: 'not_signed_in', 503: 'provider_unavailable' }[status];
    expect([response.status, code && errorCode({ body })]).toEqual([status, code]);
    expect(body).not.toContain(canary);
    expect(response.headers.get('retry-after') !== null).toBe(status === 503);
    expect(setup.bff.upstream.requests).toHaveLength(status === 200 ? 1 : 0);
    expect(setup.server.tokenRequests('refresh_token')).toHaveLength(1);
    await expect(keysOf(setup.bff, 'session')).resolves.toHaveLength(session === 'kept' ? 1 : 0);
    const who = await setup.visitor.fetch('/bff/user');
    expect(who.status).toBe(session === 'kept' ? 200 : 401);
    expect(setup.leaks()).toEqual([]);
  });

  it('(H-68) the same access token again does not cause endless refreshes', async () => {
    const replica = await setup.bff.replica();
    setup.clock.advance(61_000);
    let same: unknown;
    setup.tokens = (response) => {
      same ??= response['access_token'];
      return { ...response, access_token: same, id_token: undefined };
    };
    const headers = { cookie: setup.visitor.cookieHeader(), 'x-csrf': '1' };
    const call = (n: number) =>
      fetch(`http://127.0.0.1:${[setup.bff, replica][n % 2]?.port}/api/x`, { headers });
    for (const round of [1, 2]) {
      const responses = await Promise.all(Array.from({ length: 20 }, (_, n) => call(n)));
      expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
      expect(setup.server.tokenRequests('refresh_token')).toHaveLength(round);
      setup.clock.advance(61_000);
    }
  });
});

const requestUri = (value: unknown) => respondWith(201, { request_uri: value, expires_in: 60 });

/** What the place may answer where an authorization request is pushed to (RFC 9126 §2.2). */
const pushed: readonly (readonly [id: string, what: string, Handler, typeof failed])[] = [
  ['H-78', 'refuses', respondWith(400, said('invalid_request')), failed],
  ['H-78', 'refuses us', respondWith(401, said('invalid_client')), failed],
  ['H-78', 'says 200', respondWith(200, { request_uri: 'urn:a', expires_in: 60 }), failed],
  ['H-78', 'says no address', requestUri(undefined), failed],
  ['H-78', 'says an empty address', requestUri(''), failed],
  ['H-78', 'says a number', requestUri(1), failed],
  ['H-78', 'says a list', requestUri(['urn:a']), failed],
  ['H-78', 'says no time', respondWith(201, { request_uri: 'urn:a' }), failed],
  ['H-78', 'says an address of 30 kB', requestUri(`urn:${canary.repeat(5000)}`), failed],
  ['H-78', 'is a page', respondWith(201, `<html>${canary}`), unavailable],
  ['H-78', 'breaks', respondWith(503, ''), unavailable],
  ['H-78', 'redirects', redirectTo('https://evil.example/', 307), unavailable],
  ['H-78', 'never stops', download(1e12, json), unavailable],
];

describe('an endpoint for pushed requests that', () => {
  let setup: HostileServerSetup;
  beforeAll(async () => {
    setup = await HostileServerSetup.start({ authorizationServer: { par: 'required' } });
  });
  afterAll(() => setup.close());
  beforeEach(() => setup.reset());

  it.each(pushed)('(%s) %s', async (_id, _what, handler, outcome) => {
    expect(await setup.run(() => setup.server.override('par', handler))).toEqual(
      withoutViolations(outcome),
    );
  });

  it.each([
    `urn:a&state=evil&redirect_uri=https://${canary}.example`,
    'https://evil.example/x#y',
    'urn:a\r\nSet-Cookie: x=y',
  ])('(H-78) says %j has said one parameter and no more', async (value) => {
    setup.server.override('par', requestUri(value));
    const { request } = await beginLogin(setup.bff, setup.visitor);
    expect(request.origin).toBe(setup.server.issuer);
    expect(Object.fromEntries(request.searchParams)).toEqual({
      client_id: setup.server.clientId,
      request_uri: value,
    });
    expect(setup.leaks()).toEqual([]);
  });
});

const endSession =
  (address: unknown): Arrange =>
  (setup) =>
    setup.server.transform('discovery', (metadata) => ({
      ...metadata,
      end_session_endpoint: address,
    }));

describe('a sign-out at a provider that', () => {
  let setup: HostileServerSetup;
  beforeAll(async () => {
    setup = await HostileServerSetup.start();
  });
  afterAll(() => setup.close());
  beforeEach(async () => {
    await setup.reset();
    await setup.restart();
  });

  it.each<readonly [string, string, Arrange]>([
    ['H-73', 'signs out by a script', endSession(`javascript:alert("${canary}")`)],
    ['H-73', 'signs out by data', endSession(`data:text/html,${canary}`)],
    ['H-73', 'signs out at a path', endSession('//evil.example/')],
    ['H-73', 'signs out at a number', endSession(1)],
    ['H-73', 'signs out nowhere', endSession(undefined)],
    [
      'H-72',
      'revokes nothing and redirects',
      inOrder(endSession(undefined), ({ server, bff }) =>
        server.override('revocation', redirectTo(bff.upstream.url)),
      ),
    ],
    [
      'H-72',
      'never stops revoking',
      inOrder(endSession(undefined), ({ server }) => server.override('revocation', download(1e12))),
    ],
    [
      'H-72',
      'refuses to revoke',
      inOrder(endSession(undefined), ({ server }) =>
        server.override('revocation', respondWith(400, said('unsupported_token_type'))),
      ),
    ],
  ])('(%s) %s is one here, and leads to no other site', async (_id, _what, arrange) => {
    expect(await setup.run(arrange)).toEqual(withoutViolations('signed in'));
    const began = performance.now();
    const signedOut = await setup.visitor.fetch('/bff/logout', { method: 'POST' });
    expect(performance.now() - began).toBeLessThan(2500);
    expect([signedOut.status, await signedOut.json()]).toEqual([200, { location: '/' }]);
    expect((await setup.visitor.fetch('/bff/user')).status).toBe(401);
    await expect(keysOf(setup.bff, 'session')).resolves.toEqual([]);
    expect(setup.bff.upstream.requests).toEqual([]);
    expect(setup.leaks()).toEqual([]);
  });

  it('(H-73) says more than that it is done is not listened to', async () => {
    expect(await setup.run()).toEqual(withoutViolations('signed in'));
    const { location } = (await (
      await setup.visitor.fetch('/bff/logout', { method: 'POST' })
    ).json()) as { location: string };
    const state = new URL(location).searchParams.get('state') ?? '';
    const more = new URLSearchParams({
      state,
      code: canary,
      error: canary,
      returnUrl: '//evil.example',
    });
    const page = await setup.visitor.navigate(`/bff/logout/callback?${more}`, {
      redirect: 'manual',
    });
    expect([page.status, page.headers.get('location')]).toEqual([302, '/']);
    expect(setup.leaks()).toEqual([]);
  });
});
