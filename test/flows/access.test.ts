import { providerAt } from '../support/authorization-server/provider-at.ts';
import {
  type AuthorizationServerOptions,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { type BffOverrides, startBff, type TestBff } from '../support/bff/bff.ts';
import { figuresIn } from '../support/bff/metrics.ts';
import type { TestBrowser, Page } from '../support/browser/browser.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { asProgram, errorCode, keysOf, untilCallback, visitCallback, whoIs } from './steps.ts';

const secretGroup = 'group-nobody-may-read';

/** Alice and carol may sign in, bob may not. */
const people = {
  alice: { name: 'Alice', email: 'alice@example.com', email_verified: true, groups: ['staff'] },
  bob: { name: 'Bob', email: 'bob@evil.example', email_verified: true, groups: [secretGroup] },
  carol: { name: 'Carol', email: 'carol@example.com', email_verified: false, groups: ['staff'] },
};

const rules = {
  require: [
    { claim: 'sub', exists: true as const },
    { claim: 'groups', any: ['staff', 'admin'] },
  ],
};

function start(overrides: BffOverrides = {}): Promise<TestBff> {
  return startBff({ authorizationServer: { people }, login: rules, ...overrides });
}

const signInAs = (bff: TestBff, person: string, browser = bff.browser(), more: object = {}) =>
  bff.signIn(browser, { login_hint: person, ...more });

/** The link of a page for people. */
function linkOf({ body }: Page) {
  const [, href = '', label] = /<a href="([^"]*)">([^<]*)<\/a>/.exec(body) ?? [];
  return { url: new URL(href.replaceAll('&#38;', '&'), 'http://localhost'), label };
}

/** Every token that the authorization server issued. */
function issuedBy({ authorizationServer }: TestBff) {
  const issued: { access_token: string; refresh_token: string }[] = [];
  authorizationServer.transform('token', (json) => {
    issued.push(json as never);
    return json;
  });
  return issued;
}

const revocations = ({ authorizationServer }: TestBff) =>
  authorizationServer
    .requestsTo('revocation')
    .map(({ form }) => [form.get('token_type_hint'), form.get('token')]);

const metrics = async (bff: TestBff) =>
  figuresIn(await (await fetch(`${bff.managementUrl}/metrics`)).text());

describe('a sign-in that a rule refuses', () => {
  let bff: TestBff;
  beforeAll(async () => {
    bff = await start();
  });
  afterAll(() => bff.close());
  beforeEach(async () => {
    await bff.redis.clear();
    bff.authorizationServer.behave();
    bff.authorizationServer.requests.length = 0;
  });

  it('is one of somebody else: others sign in', async () => {
    await expect(whoIs(await bff.signedIn('alice'))).resolves.toBe('alice');
    await expect(whoIs(await bff.signedIn('carol'))).resolves.toBe('carol');
  });

  it('ends at the callback on a page with a way to sign in with another account', async () => {
    const browser = bff.browser();
    const page = await signInAs(bff, 'bob', browser, { returnUrl: '/orders?a=1&b=2' });
    expect([page.status, errorCode(page)]).toEqual([403, 'not_allowed']);
    expect(new URL(page.url).pathname).toBe('/bff/callback');
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.body).not.toContain(secretGroup);
    const { url, label } = linkOf(page);
    expect(label).toBe('Sign in with another account');
    expect(url.pathname).toBe('/bff/login');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      prompt: expect.any(String),
      provider: 'corp',
      returnUrl: '/orders?a=1&b=2',
    });
    await expect(whoIs(browser)).resolves.toBeUndefined();
    expect(await keysOf(bff, 'session')).toEqual([]);
    expect(browser.cookies().filter(({ name }) => name === bff.options.session.cookieName)).toEqual(
      [],
    );
  });

  it.each<[unknown, string]>([
    [undefined, 'select_account'],
    [['none', 'login', 'consent'], 'login'],
    [['login', 'select_account'], 'select_account'],
    ['login', 'select_account'],
  ])('offers the prompt that fits prompt_values_supported %j: %s', async (supported, prompt) => {
    await using other = await start({ store: 'memory' });
    other.authorizationServer.transform('discovery', (json) => ({
      ...json,
      prompt_values_supported: supported,
    }));
    const { url } = linkOf(await signInAs(other, 'bob'));
    expect(url.searchParams.get('prompt')).toBe(prompt);
  });

  it('is repaired by another account at the link of the page', async () => {
    await using other = await start({ store: 'memory' });
    other.authorizationServer.transform('discovery', (json) => ({
      ...json,
      prompt_values_supported: ['login'],
    }));
    const browser = other.browser();
    const { url } = linkOf(await signInAs(other, 'bob', browser, { returnUrl: '/orders' }));
    const page = await browser.click(`${url.pathname}${url.search}&login_hint=alice`);
    expect(page.url).toBe(`${other.url}/orders`);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('is a problem document for a program, with the claim and never a value', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser, { login_hint: 'bob' });
    browser.location = `${bff.url}/`;
    const response = await browser.fetch(callback.href, { headers: asProgram });
    const problem = (await response.json()) as Record<string, unknown>;
    expect(response.status).toBe(403);
    expect(problem).toMatchObject({ code: 'not_allowed', claim: 'groups', status: 403 });
    expect(problem['loginUrl']).toMatch(/^\/bff\/login\?prompt=/);
    expect(JSON.stringify(problem)).not.toMatch(/staff|admin|nobody/);
  });

  it('has its tokens revoked', async () => {
    const issued = issuedBy(bff);
    await signInAs(bff, 'bob');
    await waitFor(() => revocations(bff).length === 1);
    expect(revocations(bff)).toEqual([['refresh_token', issued[0]?.refresh_token]]);
    const { provider } = bff.authorizationServer;
    await waitFor(
      async () => (await provider.RefreshToken.find(issued[0]?.refresh_token ?? '')) === undefined,
    );
  });

  it.each(['lax', 'strict'] as const)(
    'leaves the session that this browser had, with a %s cookie',
    async (sameSite) => {
      await using other = await start({ session: { sameSite } });
      const issued = issuedBy(other);
      const browser = await other.signedIn('alice');
      const before = await keysOf(other, 'session');
      const page = await browser.click('/bff/login?login_hint=bob');
      expect([page.status, errorCode(page)]).toEqual([403, 'not_allowed']);
      await waitFor(() => revocations(other).length === 1);
      expect(revocations(other)).toEqual([['refresh_token', issued[1]?.refresh_token]]);
      browser.location = `${other.url}/`;
      await expect(whoIs(browser)).resolves.toBe('alice');
      expect(await keysOf(other, 'session')).toEqual(before);
    },
  );

  it.each(['lax', 'strict'] as const)(
    'of the user who is signed in has only its access token revoked, with a %s cookie',
    async (sameSite) => {
      const own = structuredClone(people);
      await using other = await start({
        session: { sameSite },
        authorizationServer: { people: own },
      });
      const issued = issuedBy(other);
      const browser = await other.signedIn('alice');
      own.alice.groups = [];
      const page = await browser.click('/bff/login?login_hint=alice');
      expect([page.status, errorCode(page)]).toEqual([403, 'not_allowed']);
      await waitFor(() => revocations(other).length === 1);
      expect(revocations(other)).toEqual([['access_token', issued[1]?.access_token]]);
      browser.location = `${other.url}/`;
      await expect(whoIs(browser)).resolves.toBe('alice');
    },
  );

  it('cannot be tried again with the same code and state', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser, { login_hint: 'bob' });
    expect(errorCode(await visitCallback(bff, browser, callback))).toBe('not_allowed');
    expect(errorCode(await visitCallback(bff, browser, callback))).toBe('login_expired');
  });

  it('goes to errorUrl where there is one', async () => {
    await using other = await start({ store: 'memory', errorUrl: '/oops' });
    const browser = other.browser();
    const callback = await untilCallback(other, browser, { login_hint: 'bob' });
    const page = await visitCallback(other, browser, callback);
    expect([page.status, page.headers.get('location')]).toEqual([302, '/oops?code=not_allowed']);
  });

  it('is told to the page around a hidden frame', async () => {
    const own = structuredClone(people);
    await using other = await start({ host: '127.0.0.1', authorizationServer: { people: own } });
    const browser = await other.signedIn('alice');
    await other.redis.clear();
    own.alice.groups = [];
    const page = await browser.navigate(`${other.url}/bff/login?prompt=none`, { dest: 'iframe' });
    expect(page.body).toContain('"isLoggedIn":false,"code":"not_allowed"');
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('is logged and counted with claim and rule, and without a value', async () => {
    await using other = await start({ store: 'memory' });
    const at = 'pixie_not_allowed_total{at="sign-in",rule="1"}';
    expect((await metrics(other))[at]).toBe(0);
    await signInAs(other, 'bob');
    expect(await metrics(other)).toMatchObject({
      [at]: 1,
      'pixie_not_allowed_total{at="sign-in",rule="0"}': 0,
      'pixie_sign_ins_failed_total{provider="corp",code="not_allowed"}': 1,
    });
    expect(other.logs.lines).toContainEqual(
      expect.objectContaining({
        msg: 'access refused',
        at: 'sign-in',
        claim: 'groups',
        rule: 1,
      }),
    );
    expect(other.logs.text).not.toContain(secretGroup);
    expect(other.logs.text).not.toContain('bob@evil.example');
  });
});

describe('an account that a rule refuses', () => {
  async function party() {
    const partner = await startAuthorizationServer({ clientId: 'at-partner', people });
    const bff = await start({
      providers: (usual) => [usual, providerAt(partner)],
    });
    partner.registerClient({ redirect_uris: [`${bff.url}/bff/callback/partner`] });
    return {
      bff,
      partner,
      async [Symbol.asyncDispose]() {
        await bff.close();
        await partner.close();
      },
    };
  }

  const connectionsOf = async (browser: TestBrowser) =>
    ((await (await browser.fetch('/bff/user')).json()) as { connections?: object[] }).connections;

  it('is not connected, and its tokens are revoked', async () => {
    await using scene = await party();
    const { bff, partner } = scene;
    const browser = await bff.signedIn('alice');
    const page = await browser.click('/bff/connect/partner?login_hint=bob&returnUrl=/accounts');
    expect([page.status, errorCode(page)]).toEqual([403, 'not_allowed']);
    const { url, label } = linkOf(page);
    expect([url.pathname, label]).toEqual(['/bff/connect/partner', 'Sign in with another account']);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      prompt: expect.any(String),
      returnUrl: '/accounts',
    });
    await waitFor(() => partner.requestsTo('revocation').length === 1);
    expect(revocations(bff)).toEqual([]);
    browser.location = `${bff.url}/`;
    await expect(whoIs(browser)).resolves.toBe('alice');
    expect(await connectionsOf(browser)).toBeUndefined();
    expect(bff.logs.lines).toContainEqual(
      expect.objectContaining({ msg: 'access refused', at: 'connect', claim: 'groups', rule: 1 }),
    );
  });

  it('leaves the account that was connected before', async () => {
    await using scene = await party();
    const { bff } = scene;
    const browser = await bff.signedIn('alice');
    await browser.click('/bff/connect/partner?login_hint=carol');
    await browser.click('/bff/connect/partner?login_hint=bob');
    browser.location = `${bff.url}/`;
    expect(await connectionsOf(browser)).toMatchObject([{ provider: 'partner', sub: 'carol' }]);
  });
});

describe('a claim that a rule names and the ID token lacks', () => {
  /** The groups are at UserInfo, for a scope that promises no claim. */
  const elsewhere: AuthorizationServerOptions = {
    people,
    claimsInIdToken: false,
    configuration: (defaults) => ({
      ...defaults,
      claims: { ...defaults.claims, openid: ['sub'], api: ['groups'] },
    }),
  };
  const provider = { scopes: ['openid', 'api'] };
  const userInfoRequests = (bff: TestBff) => bff.authorizationServer.requestsTo('userinfo').length;

  it('is looked for at UserInfo', async () => {
    await using bff = await start({ store: 'memory', authorizationServer: elsewhere, provider });
    await expect(whoIs(await bff.signedIn('alice'))).resolves.toBe('alice');
    expect(errorCode(await signInAs(bff, 'bob'))).toBe('not_allowed');
    expect(userInfoRequests(bff)).toBe(2);
  });

  it('is looked for at UserInfo also for the rules of routes', async () => {
    await using bff = await start({
      store: 'memory',
      login: undefined,
      authorizationServer: elsewhere,
      provider,
      route: { require: [{ claim: 'groups', any: ['staff'] }] },
    });
    const browser = await bff.signedIn('alice');
    const user = (await (await browser.fetch('/bff/user')).json()) as { claims: object };
    expect(user.claims).toMatchObject({ groups: ['staff'] });
  });

  it('costs no request where no rule names it', async () => {
    await using bff = await start({
      store: 'memory',
      login: undefined,
      authorizationServer: elsewhere,
      provider,
    });
    await bff.signedIn('alice');
    expect(userInfoRequests(bff)).toBe(0);
  });

  it('refuses whom UserInfo says nothing about', async () => {
    await using bff = await start({ store: 'memory', authorizationServer: elsewhere, provider });
    bff.authorizationServer.transform('userinfo', ({ sub }) => ({ sub }));
    expect(errorCode(await signInAs(bff, 'alice'))).toBe('not_allowed');
  });

  it('fails the sign-in if UserInfo fails', async () => {
    await using bff = await start({ store: 'memory', authorizationServer: elsewhere, provider });
    bff.authorizationServer.transform('userinfo', (json) => ({ ...json, sub: 'mallory' }));
    expect(errorCode(await signInAs(bff, 'alice'))).toBe('login_failed');
  });
});

it('emailDomain admits verified addresses of a domain only', async () => {
  const login = { require: [{ claim: 'email', emailDomain: ['example.com'] }] };
  await using bff = await start({ store: 'memory', login });
  await expect(whoIs(await bff.signedIn('alice'))).resolves.toBe('alice');
  expect(errorCode(await signInAs(bff, 'bob'))).toBe('not_allowed');
  expect(errorCode(await signInAs(bff, 'carol'))).toBe('not_allowed');
});
