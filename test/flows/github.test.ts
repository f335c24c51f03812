import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { testClock } from '../support/time/clock.ts';
import { FakeGitHub } from '../support/non-oidc/fake-github.ts';
import { registered } from '../support/non-oidc/fake-service.ts';
import { githubAt } from '../support/non-oidc/providers.ts';
import { waitFor } from '../support/time/wait-for.ts';
import {
  beginLogin,
  changed,
  errorCode,
  keysOf,
  untilCallback,
  visitCallback,
  whoIs,
} from './steps.ts';

const userPath = `${FakeGitHub.api}/user`;
const emailsPath = `${userPath}/emails`;

let github: FakeGitHub;
let bff: TestBff;
let logged = 0;
beforeAll(async () => {
  github = await new FakeGitHub().start();
  bff = await startBff({ providers: [githubAt(github)] });
});
afterAll(async () => {
  await bff.close();
  await github.stop();
});
beforeEach(() => {
  const fresh = new FakeGitHub();
  Object.assign(github, { consent: 'allow', tokensEnd: false, iss: undefined });
  github.people['alice'] = { ...fresh.people['alice'], emails: [], user: {} };
  Object.assign(github.people, fresh.people);
  github.requests.length = 0;
  github.overrides.clear();
  logged = bff.logs.text.length;
});

const log = () => bff.logs.text.slice(logged);

const userOf = async (browser: TestBrowser) =>
  (await (await browser.fetch('/bff/user')).json()) as {
    sub: string;
    provider: string;
    claims: Record<string, unknown>;
    logoutUrl: string;
  };

/** The token that the upstream saw in the last call. */
async function tokenInUse(browser: TestBrowser, at = bff): Promise<string> {
  expect((await browser.fetch('/api/x')).status).toBe(200);
  return at.upstream.requests.at(-1)?.headers.authorization?.replace('Bearer ', '') ?? '';
}

describe('signing in at GitHub', () => {
  it('sends PKCE and state, and nothing of OpenID Connect', async () => {
    const { request } = await beginLogin(bff, bff.browser(), {
      login_hint: 'alice-adams',
      prompt: 'select_account',
      max_age: '60',
      acr_values: 'mfa',
    });
    expect(request.origin + request.pathname).toBe(`${github.url}/login/oauth/authorize`);
    const { state, code_challenge, ...parameters } = Object.fromEntries(request.searchParams);
    expect(state).toMatch(/^[\w-]{43}$/);
    expect(code_challenge).toMatch(/^[\w-]{43}$/);
    expect(parameters).toEqual({
      response_type: 'code',
      client_id: registered.clientId,
      redirect_uri: `${bff.url}/bff/callback`,
      scope: 'read:user user:email',
      code_challenge_method: 'S256',
      login: 'alice-adams',
      prompt: 'select_account',
    });
  });

  it('makes claims of the user, with a subject that outlives another login name', async () => {
    const user = await userOf(await bff.signedIn());
    expect(user).toMatchObject({ sub: '583231', provider: 'github' });
    expect(user.claims).toEqual({
      sub: '583231',
      preferred_username: 'alice-adams',
      name: 'Alice Adams',
      email: 'alice@example.com',
      email_verified: true,
      picture: 'https://avatars.githubusercontent.com/u/583231?v=4',
      profile: 'https://github.com/alice-adams',
    });
  });

  it('sends what GitHub requires: JSON, a User-Agent to its API, and the secret in the form alone', async () => {
    await bff.signedIn();
    const [redeemed] = github.requestsTo('/login/oauth/access_token');
    expect(redeemed?.headers).toMatchObject({ accept: 'application/json' });
    expect(redeemed?.headers).not.toHaveProperty('authorization');
    expect(Object.keys(Object.fromEntries(redeemed?.form ?? [])).toSorted()).toEqual(
      'client_id client_secret code code_verifier grant_type redirect_uri'.split(' '),
    );
    const [request] = github.requestsTo(userPath);
    expect(request?.headers['authorization']).toMatch(/^Bearer gho_/);
    expect(request?.headers['user-agent']).toBeTruthy();
    expect(github.requests.filter(({ url }) => url.includes('gho_'))).toEqual([]);
  });

  it('reads responses that are forms as well', async () => {
    github.overrides.set('/login/oauth/access_token', (request) => {
      delete request.headers.accept;
      return 'continue';
    });
    const browser = await bff.signedIn();
    await expect(whoIs(browser)).resolves.toBe('583231');
  });

  it('gives calls the token until a server says that it has ended', async () => {
    const clock = testClock();
    await using later = await startBff({ providers: [githubAt(github)], clock: clock.now });
    const browser = await later.signedIn();
    expect(github.isValid(await tokenInUse(browser, later))).toBe(true);
    clock.advance(25 * 60 * 1000);
    expect(github.isValid(await tokenInUse(browser, later))).toBe(true);
    expect(github.requestsTo('/login/oauth/access_token')).toHaveLength(1);
  });

  it('requires another sign-in when an API refuses a token that cannot be replaced', async () => {
    const refusal = { 'www-authenticate': 'Bearer error="invalid_token"' };
    await using other = await startBff({
      providers: [githubAt(github)],
      upstream: respondWith(401, { message: 'Bad credentials' }, refusal),
    });
    const browser = await other.signedIn();
    expect((await browser.fetch('/api/x')).status).toBe(401);
    await expect(whoIs(browser)).resolves.toBe('583231');
  });
});

describe('addresses of a GitHub user', () => {
  it('that are not verified are said to be so', async () => {
    const email = { email: 'a@example.com', primary: true, verified: false, visibility: null };
    Object.assign(github.people['alice'] ?? {}, { emails: [email] });
    const { claims } = await userOf(await bff.signedIn());
    expect(claims).toMatchObject({ email: 'a@example.com', email_verified: false });
  });

  it('are none where there is no main one', async () => {
    Object.assign(github.people['alice'] ?? {}, { emails: [] });
    const { claims } = await userOf(await bff.signedIn());
    expect(claims).not.toHaveProperty('email');
    expect(claims).not.toHaveProperty('email_verified');
  });

  it('are not requested without the scope; then the public one counts, without email_verified', async () => {
    const user = { ...github.people['alice']?.user, email: 'public@example.com' };
    Object.assign(github.people['alice'] ?? {}, { user });
    const providers = [githubAt(github, { scopes: ['read:user'] })];
    await using other = await startBff({ providers });
    const { claims } = await userOf(await other.signedIn());
    expect(claims).toMatchObject({ email: 'public@example.com' });
    expect(claims).not.toHaveProperty('email_verified');
    expect(github.requestsTo(emailsPath)).toEqual([]);
  });

  it.each([
    ['404 without a body', respondWith(404)],
    ['404 with a page', respondWith(404, '<!doctype html>', { 'content-type': 'text/html' })],
    ['403 without a body', respondWith(403)],
    ['403 with a page', respondWith(403, '<!doctype html>', { 'content-type': 'text/html' })],
    [
      '403 with a challenge alone',
      respondWith(403, '', { 'www-authenticate': 'Bearer error="insufficient_scope"' }),
    ],
  ])('do not make the sign-in fail: an e-mail endpoint responds with %s', async (_, handler) => {
    github.overrides.set(emailsPath, handler);
    const { sub, claims } = await userOf(await bff.signedIn());
    expect([sub, claims['name']]).toEqual(['583231', 'Alice Adams']);
    expect(claims).not.toHaveProperty('email');
    expect(claims).not.toHaveProperty('email_verified');
  });

  it.each([403, 404])('do without: an app that may not read them gets %i', async (status) => {
    github.overrides.set(emailsPath, respondWith(status, { message: 'Resource not accessible' }));
    const { claims } = await userOf(await bff.signedIn());
    expect(claims).toMatchObject({ name: 'Alice Adams' });
    expect(claims).not.toHaveProperty('email');
  });
});

describe('tokens of a GitHub App', () => {
  const minute = 60 * 1000;

  async function signedInLongAgo(overrides: BffOverrides = {}) {
    github.tokensEnd = true;
    const clock = testClock();
    const session = { absolute: '2d', idle: '1d' };
    const providers = [githubAt(github)];
    const other = await startBff({ providers, clock: clock.now, session, ...overrides });
    const browser = await other.signedIn();
    clock.advance(8 * 60 * minute + minute);
    return { other, browser, [Symbol.asyncDispose]: () => other.close() };
  }

  it('are refreshed when they have ended', async () => {
    await using setup = await signedInLongAgo();
    const token = await tokenInUse(setup.browser, setup.other);
    expect(token).toMatch(/^ghu_/);
    const grants = github
      .requestsTo('/login/oauth/access_token')
      .map(({ form }) => form.get('grant_type'));
    expect(grants).toEqual(['authorization_code', 'refresh_token']);
  });

  it('end the session when GitHub says, with status 200, that the grant is over', async () => {
    await using setup = await signedInLongAgo();
    github.forget();
    expect((await setup.browser.fetch('/api/x')).status).toBe(401);
    await expect(whoIs(setup.browser)).resolves.toBeUndefined();
  });

  it('keep the session when GitHub says, with status 200, that our credentials are wrong', async () => {
    await using setup = await signedInLongAgo();
    github.overrides.set(
      '/login/oauth/access_token',
      respondWith(200, { error: 'incorrect_client_credentials' }),
    );
    expect((await setup.browser.fetch('/api/x')).status).toBe(503);
    await expect(whoIs(setup.browser)).resolves.toBe('583231');
  });
});

describe('signing out', () => {
  it('takes the token back, in GitHub’s own way', async () => {
    const browser = await bff.signedIn();
    const token = await tokenInUse(browser);
    const { logoutUrl } = await userOf(browser);
    const page = await browser.click(logoutUrl, { redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([302, '/']);
    expect(github.isValid(token)).toBe(false);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('is no failure when the token was taken back there before', async () => {
    const browser = await bff.signedIn();
    github.forget();
    await browser.click((await userOf(browser)).logoutUrl, { redirect: 'manual' });
    await waitFor(() => log().includes('"signed out"'));
    expect(log()).not.toContain('revocation failed');
  });

  it('happens although GitHub fails', async () => {
    const browser = await bff.signedIn();
    github.overrides.set(
      `${FakeGitHub.api}/applications/${registered.clientId}/token`,
      respondWith(500),
    );
    await browser.click((await userOf(browser)).logoutUrl, { redirect: 'manual' });
    await expect(whoIs(browser)).resolves.toBeUndefined();
    await waitFor(() => log().includes('revocation failed'));
  });
});

describe('a sign-in at GitHub fails', () => {
  /** What becomes of a callback, and that nobody is signed in by it. */
  async function outcomeOf(
    browser = bff.browser(),
    change: (callback: URL) => URL = (callback) => callback,
  ) {
    const callback = await untilCallback(bff, browser);
    const page = await visitCallback(bff, browser, change(callback));
    await expect(whoIs(browser)).resolves.toBeUndefined();
    expect(await keysOf(bff, 'session')).toEqual([]);
    return [page.status, errorCode(page)];
  }

  beforeEach(() => bff.redis.clear());

  it('when the user denies it', async () => {
    github.consent = 'deny';
    expect(await outcomeOf()).toEqual([403, 'login_denied']);
    expect(github.requestsTo('/login/oauth/access_token')).toEqual([]);
  });

  it.each([
    ['the code is not valid', { code: 'ffffffffffffffffffff' }, [502, 'login_failed']],
    ['the state is another', { state: 'x'.repeat(43) }, [400, 'login_expired']],
    ['the code is missing', { code: null }, [400, 'invalid_request']],
  ])('when %s', async (_, changes, expected) => {
    expect(await outcomeOf(bff.browser(), (url) => changed(url, changes))).toEqual(expected);
  });

  it('when the code was stolen from another sign-in, whose verifier we do not have', async () => {
    const stolen = await untilCallback(bff, bff.browser());
    const code = stolen.searchParams.get('code');
    expect(await outcomeOf(bff.browser(), (url) => changed(url, { code }))).toEqual([
      502,
      'login_failed',
    ]);
    await waitFor(() => log().includes('invalid_grant'));
  });

  it.each([
    [
      'the client secret is wrong',
      respondWith(200, { error: 'incorrect_client_credentials' }),
      502,
    ],
    [
      'an error comes as a form',
      respondWith(200, 'error=bad_verification_code&error_description=x'),
      502,
    ],
    ['a token comes beside an error', respondWith(200, { error: 'x', access_token: 'gho_x' }), 502],
    ['the token endpoint sends a page', respondWith(200, '<!doctype html>'), 503],
    ['the token endpoint sends a page of an error', respondWith(500, '<!doctype html>'), 503],
    ['there are too many requests', respondWith(429, { message: 'slow down' }), 503],
    ['the token is empty', respondWith(200, { access_token: '', token_type: 'bearer' }), 502],
    [
      'the token is of a kind nobody knows',
      respondWith(200, { access_token: 'x', token_type: 'mac' }),
      502,
    ],
  ])('when %s', async (_, handler, status) => {
    github.overrides.set('/login/oauth/access_token', handler);
    expect((await outcomeOf())[0]).toBe(status);
    expect(github.requestsTo(userPath)).toEqual([]);
  });

  it.each([
    ['refuses the token', respondWith(401, { message: 'Bad credentials' }), 502],
    ['refuses with a challenge', respondWith(401, {}, { 'www-authenticate': 'Bearer' }), 502],
    ['forbids it', respondWith(403, { message: 'Forbidden' }), 502],
    [
      'has had too many requests',
      respondWith(403, { m: 1 }, { 'x-ratelimit-remaining': '0' }),
      503,
    ],
    ['fails', respondWith(502, 'Unicorn'), 503],
    ['sends a page', respondWith(200, '<!doctype html>'), 503],
    ['sends null', respondWith(200, 'null', { 'content-type': 'application/json' }), 502],
    ['names nobody', respondWith(200, { login: 'alice-adams' }), 502],
    ['names nobody exactly', respondWith(200, '{"id":90071992547409931}'), 502],
    ['names somebody by a list', respondWith(200, { id: [1] }), 502],
    ['sends far too much', respondWith(200, { id: 1, name: 'x'.repeat(70_000) }), 502],
    ['redirects', respondWith(302, undefined, { location: 'https://evil.example/' }), 503],
  ])('when the user endpoint %s', async (_, handler, status) => {
    github.overrides.set(userPath, handler);
    expect((await outcomeOf())[0]).toBe(status);
  });

  it.each([
    ['refuses the token', respondWith(401, {}), 502],
    ['fails', respondWith(500), 503],
    ['fails without JSON', respondWith(503, 'Unicorn'), 503],
    ['has had too many requests', respondWith(429), 503],
    ['has had too many, without JSON', respondWith(403, '', { 'x-ratelimit-remaining': '0' }), 503],
    ['sends a page', respondWith(200, '<!doctype html>'), 503],
    ['redirects', respondWith(302, undefined, { location: 'https://evil.example/' }), 503],
  ])('when the list of addresses %s', async (_, handler, status) => {
    github.overrides.set(emailsPath, handler);
    expect((await outcomeOf())[0]).toBe(status);
  });

  it('shows nothing of what GitHub said, and logs no secret', async () => {
    github.overrides.set(
      '/login/oauth/access_token',
      respondWith(200, { error: 'bad_verification_code', error_description: '<b>canary</b>' }),
    );
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    const page = await visitCallback(bff, browser, callback);
    expect(page.body).not.toContain('canary');
    const code = callback.searchParams.get('code') ?? '';
    await waitFor(() => log().includes('login_failed'));
    for (const secret of [registered.clientSecret, code, 'gho_'])
      expect(log()).not.toContain(secret);
  });
});

describe('the issuer in a response of GitHub', () => {
  it('is not judged where nothing is known of it: the redirect URI keeps providers apart', async () => {
    github.iss = 'https://github.com/login/oauth';
    await expect(whoIs(await bff.signedIn())).resolves.toBe('583231');
  });

  it('must be the configured one where one is configured', async () => {
    const issuer = `${github.url}/login/oauth`;
    await using strict = await startBff({ providers: [githubAt(github, { issuer })] });
    github.iss = issuer;
    await expect(whoIs(await strict.signedIn())).resolves.toBe('583231');
    github.iss = 'https://evil.example';
    const browser = strict.browser();
    const page = await visitCallback(strict, browser, await untilCallback(strict, browser));
    expect([page.status, errorCode(page)]).toEqual([400, 'invalid_request']);
  });
});
