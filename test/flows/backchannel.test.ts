import { hang } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { waitFor } from '../support/time/wait-for.ts';
import {
  type LogoutResponse,
  type Forgery,
  logoutEvent,
  logoutToken,
  post,
  send,
  type SignedIn,
  signedInAt,
  signOut,
  statusesAt,
} from './logout-tokens.ts';
import { keysOf, whoIs } from './steps.ts';

const now = () => Math.floor(Date.now() / 1000);
const withSids = { authorizationServer: { backchannelLogout: true } } as const;

/** Who of these is still signed in, by the names they have here. */
async function remaining(people: Readonly<Record<string, SignedIn>>): Promise<string[]> {
  const each = Object.entries(people).map(async ([name, { browser }]) =>
    (await whoIs(browser)) ? [name] : [],
  );
  return (await Promise.all(each)).flat();
}

function expectSuccess({ status, headers, body }: LogoutResponse): void {
  expect([status, body]).toEqual([200, '']);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('set-cookie')).toBeNull();
}

describe('a logout token', () => {
  let bff: TestBff;
  let people: Readonly<Record<'laptop' | 'phone' | 'bob', SignedIn>>;
  beforeAll(async () => {
    bff = await startBff(withSids);
  });
  afterAll(() => bff.close());
  beforeEach(async () => {
    await bff.redis.clear();
    people = {
      laptop: await signedInAt(bff),
      phone: await signedInAt(bff),
      bob: await signedInAt(bff, 'bob'),
    };
  });

  const about = (claims: Readonly<Record<string, unknown>>, forgery?: Forgery) =>
    logoutToken(bff.authorizationServer, claims, forgery);
  const sidOf = (name: keyof typeof people) => people[name].sid;

  it.each<readonly [string, () => Readonly<Record<string, unknown>>, readonly string[]]>([
    ['sub', () => ({ sub: 'alice' }), ['bob']],
    ['the sub of another', () => ({ sub: 'bob' }), ['laptop', 'phone']],
    ['sid', () => ({ sid: sidOf('phone') }), ['laptop', 'bob']],
    ['both', () => ({ sub: 'alice', sid: sidOf('laptop') }), ['phone', 'bob']],
    ['a sub nobody has', () => ({ sub: 'nobody' }), ['laptop', 'phone', 'bob']],
    ['a sub in other letters', () => ({ sub: 'Alice' }), ['laptop', 'phone', 'bob']],
    ['a sid nobody has', () => ({ sid: 'nobody' }), ['laptop', 'phone', 'bob']],
    ['a sub and an unknown sid', () => ({ sub: 'alice', sid: 'x' }), ['laptop', 'phone', 'bob']],
    ['the sid of one as sub', () => ({ sub: sidOf('phone') }), ['laptop', 'phone', 'bob']],
    ['the sub of one as sid', () => ({ sid: 'alice' }), ['laptop', 'phone', 'bob']],
  ])('that names %s ends these sessions and no others', async (_, claims, left) => {
    expectSuccess(await send(bff, await about(claims())));
    expect(await remaining(people)).toEqual(left);
    expect(await keysOf(bff, 'session')).toHaveLength(left.length);
  });

  it.each<readonly [string, (token: string) => RequestInit]>([
    ['as any client sends it', (token) => ({ body: new URLSearchParams({ logout_token: token }) })],
    [
      'with other parameters beside it',
      (token) => ({
        body: new URLSearchParams([
          ['iss', 'https://evil.example'],
          ['logout_token', token],
          ['logout_tokens', 'x'],
          ['sid', 'x'],
          ['sid', 'y'],
        ]),
      }),
    ],
    [
      'with a charset',
      (token) => ofType('application/x-www-form-urlencoded; charset=UTF-8', token),
    ],
    ['with a type in other letters', (token) => ofType('Application/X-WWW-Form-Urlencoded', token)],
    [
      'from a client that would like a page',
      (token) => ({
        body: new URLSearchParams({ logout_token: token }),
        headers: { accept: 'text/html, image/gif, */*; q=.2' },
      }),
    ],
    [
      'from another site',
      (token) => ({
        body: new URLSearchParams({ logout_token: token }),
        headers: { origin: 'https://login.example', 'sec-fetch-site': 'cross-site' },
      }),
    ],
  ])('is accepted %s', async (_, init) => {
    expectSuccess(await post(bff, init(await about({ sub: 'alice' }))));
    expect(await remaining(people)).toEqual(['bob']);
  });

  it.each<readonly [string, Readonly<Record<string, unknown>>, Forgery]>([
    ['of the type application/logout+jwt', {}, { header: { typ: 'application/logout+jwt' } }],
    ['of the type in other letters', {}, { header: { typ: 'Logout+JWT' } }],
    ['for several clients', { aud: ['test-client', 'another'] }, {}],
    ['for a list of one', { aud: ['test-client'] }, {}],
    ['of a clock that is a little ahead', { iat: now() + 30 }, {}],
    ['whose event says more', { events: { [logoutEvent]: { reason: 'x' }, 'urn:other': 1 } }, {}],
    ['with claims nobody knows', { trace_id: 'x', auth_time: 1 }, {}],
    ['that has a key of its own in the header and does not use it', {}, { header: { jwk: {} } }],
  ])('is accepted %s', async (_, claims, forgery) => {
    expectSuccess(await send(bff, await about({ sub: 'alice', ...claims }, forgery)));
    expect(await remaining(people)).toEqual(['bob']);
  });

  it('takes no notice of the cookie of a browser it comes with', async () => {
    const token = await about({ sub: 'alice' });
    expectSuccess(await send(bff, token, { cookie: people.bob.browser.cookieHeader() }));
    expect(await remaining(people)).toEqual(['bob']);
    const other = await about({ sub: 'nobody' });
    expectSuccess(await send(bff, other, { cookie: 'bff=s%3Aforged.signature; bff=again' }));
  });

  it('of a user with many sessions ends them all', async () => {
    await Promise.all(Array.from({ length: 30 }, () => bff.signedIn()));
    expect(await keysOf(bff, 'session')).toHaveLength(33);
    expect(await signOut(bff, { sub: 'alice' })).toBe(200);
    expect(await keysOf(bff, 'session')).toHaveLength(1);
    expect(await remaining(people)).toEqual(['bob']);
  });

  it('has ended the session on every replica when the response arrives', async () => {
    const replicas = [bff, await bff.replica(), await bff.replica()];
    const { browser } = people.laptop;
    for (const receiver of replicas) {
      await bff.signedIn('alice', browser);
      for (const replica of replicas)
        expect(await statusesAt(replica, browser)).toEqual([200, 200]);
      expect(await signOut(receiver, { sub: 'alice' })).toBe(200);
      const after = await Promise.all(replicas.map((replica) => statusesAt(replica, browser)));
      expect(after.flat()).toEqual([401, 401, 401, 401, 401, 401]);
    }
  });

  it('leaves a browser that can sign out, and sign in again at once', async () => {
    const { browser } = people.laptop;
    const response = await browser.fetch('/bff/user');
    const { logoutUrl } = (await response.json()) as { logoutUrl: string };
    expect(await signOut(bff, { sid: people.laptop.sid })).toBe(200);
    const page = await browser.click(`${logoutUrl}&returnUrl=/bye`, { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([302, '/bye']);
    await bff.signedIn('alice', browser);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });
});

function ofType(type: string, token: string): RequestInit {
  return { body: `logout_token=${token}`, headers: { 'content-type': type } };
}

describe('what a provider’s logout tokens lack', () => {
  const old = { sub: 'alice', exp: undefined };
  it.each<readonly [string, Readonly<Record<string, unknown>>, Forgery, object]>([
    ['exp', old, {}, { allowMissingExp: true }],
    ['typ', { sub: 'alice' }, { header: { typ: undefined } }, { allowUntyped: true }],
    ['typ but JWT', { sub: 'alice' }, { header: { typ: 'JWT' } }, { allowUntyped: true }],
    ['exp and typ', old, { header: { typ: 'JWT' } }, { allowMissingExp: true, allowUntyped: true }],
  ])(
    '(%s) is tolerated where it is configured, and only there',
    async (_, claims, forgery, allowed) => {
      await using strict = await startBff({ store: 'memory' });
      const refused = await logoutToken(strict.authorizationServer, claims, forgery);
      expect((await send(strict, refused)).status).toBe(400);

      await using bff = await startBff({ store: 'memory', provider: { logoutToken: allowed } });
      const alice = await bff.signedIn();
      const token = await logoutToken(bff.authorizationServer, claims, forgery);
      expectSuccess(await send(bff, token));
      await expect(whoIs(alice)).resolves.toBeUndefined();
      expect((await send(bff, token)).status).toBe(400);
    },
  );

  it('(exp) is tolerated for two minutes', async () => {
    const provider = { logoutToken: { allowMissingExp: true } };
    await using bff = await startBff({ store: 'memory', provider });
    expect(await signOut(bff, { ...old, iat: now() - 110 })).toBe(200);
    expect(await signOut(bff, { ...old, iat: now() - 121 })).toBe(400);
  });
});

/** Tokens whose end the provider was asked for. */
const revocations = ({ authorizationServer }: TestBff) =>
  authorizationServer.requestsTo('revocation').map(({ form }) => form.get('token_type_hint'));

describe('the tokens of a session that the provider ends', () => {
  it('are revoked (OIDC Back-Channel Logout §2.7)', async () => {
    await using bff = await startBff({ provider: { scopes: ['openid', 'profile', 'email'] } });
    await Promise.all([bff.signedIn(), bff.signedIn()]);
    expect(await signOut(bff, { sub: 'alice' })).toBe(200);
    await waitFor(() => revocations(bff).length === 2);
    expect(revocations(bff)).toEqual(['refresh_token', 'refresh_token']);
    const [{ form } = { form: new URLSearchParams() }] =
      bff.authorizationServer.requestsTo('revocation');
    const { RefreshToken } = bff.authorizationServer.provider;
    await waitFor(async () => (await RefreshToken.find(form.get('token') ?? '')) === undefined);
  });

  it('are left alone where offline_access was granted', async () => {
    await using bff = await startBff();
    const outcomes: Record<string, unknown>[] = [];
    bff.authorizationServer.transform('token', (json) => {
      outcomes.push(json);
      return json;
    });
    const alice = bff.browser();
    await bff.signIn(alice, { login_hint: 'alice', prompt: 'consent' });
    const [granted = {}] = outcomes;
    expect(granted).toMatchObject({ scope: expect.stringContaining('offline_access') });
    const bob = await bff.signedIn('bob');
    expect(await signOut(bff, { sub: 'alice' })).toBe(200);
    await expect(whoIs(alice)).resolves.toBeUndefined();
    // Bob signs out later, and that is all the provider hears.
    await bob.fetch('/bff/logout', { method: 'POST' });
    expect(revocations(bff)).toEqual(['refresh_token']);
    const { RefreshToken } = bff.authorizationServer.provider;
    await expect(RefreshToken.find(String(granted['refresh_token']))).resolves.toBeDefined();
  });

  it('keep no request waiting, though the provider does not respond', async () => {
    await using bff = await startBff({ provider: { scopes: ['openid', 'profile', 'email'] } });
    const alice = await bff.signedIn();
    bff.authorizationServer.override('revocation', hang());
    const began = performance.now();
    expect(await signOut(bff, { sub: 'alice' })).toBe(200);
    expect(performance.now() - began).toBeLessThan(1000);
    await expect(whoIs(alice)).resolves.toBeUndefined();
  });
});
