import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { FakeDiscord } from '../support/non-oidc/fake-discord.ts';
import { registered } from '../support/non-oidc/fake-service.ts';
import { discordAt } from '../support/non-oidc/providers.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { beginLogin, whoIs } from './steps.ts';

const tokenPath = '/api/oauth2/token';

let service: FakeDiscord;
let bff: TestBff;
beforeAll(async () => {
  service = await new FakeDiscord().start();
  bff = await startBff({
    route: { provider: 'club' },
    providers: (corp) => [
      corp,
      {
        id: 'club',
        type: 'oauth2',
        ...registered,
        clientAuth: 'client_secret_post',
        authorizationEndpoint: `${service.url}/oauth2/authorize`,
        tokenEndpoint: service.url + tokenPath,
        userinfoEndpoint: `${service.url}/api/users/@me`,
        endSessionEndpoint: `${service.url}/goodbye`,
        scopes: ['identify'],
        user: { sub: 'id', name: ['nick', 'data.name', 'username'], groups: 'data.groups' },
        maxResponse: '20kb',
        timeout: '900ms',
      },
    ],
  });
});
afterAll(async () => {
  await bff.close();
  await service.stop();
});
beforeEach(() => {
  service.overrides.clear();
  Object.assign(service.people, new FakeDiscord().people);
  service.requests.length = 0;
});

const signIn = async () => {
  const browser = bff.browser();
  const page = await bff.signIn(browser, { provider: 'club' });
  return { browser, page };
};
const json = { 'content-type': 'application/json' };

/** The tokens that the service would give, in another form. */
function givesTokens(
  change: (tokens: Record<string, unknown>) => ReturnType<typeof respondWith>,
): void {
  service.overrides.set(tokenPath, async (request, response, recorded) => {
    service.overrides.delete(tokenPath);
    const again = await fetch(service.url + tokenPath, {
      method: 'POST',
      body: new URLSearchParams(recorded.form),
    });
    const tokens = (await again.json()) as Record<string, unknown>;
    return change(tokens)(request, response, recorded);
  });
}

describe('a service that speaks OAuth 2 alone', () => {
  it('signs people in beside an OpenID provider, at a callback of its own', async () => {
    const { request } = await beginLogin(bff, bff.browser(), { provider: 'club' });
    expect(request.searchParams.get('redirect_uri')).toBe(`${bff.url}/bff/callback/club`);
    const { browser } = await signIn();
    await expect(whoIs(browser)).resolves.toBe('80351110224678912');
    await expect(whoIs(await bff.signedIn())).resolves.toBe('alice');
  });

  it('has its fields turned into claims, those inside others too, and nothing else', async () => {
    const person = { ...service.people['alice'], data: { name: 'A. Adams', groups: ['a', 'b'] } };
    Object.assign(service.people, { alice: person });
    const { browser } = await signIn();
    const { claims } = (await (await browser.fetch('/bff/user')).json()) as { claims: object };
    expect(claims).toEqual({ sub: '80351110224678912', name: 'A. Adams', groups: ['a', 'b'] });
  });

  it.each<[string, (tokens: Record<string, unknown>) => ReturnType<typeof respondWith>]>([
    ['without token_type', (tokens) => respondWith(200, { ...tokens, token_type: undefined })],
    ['without expires_in', (tokens) => respondWith(200, { ...tokens, expires_in: undefined })],
    ['with expires_in: null', (tokens) => respondWith(200, { ...tokens, expires_in: null })],
    ['with expires_in: 0', (tokens) => respondWith(200, { ...tokens, expires_in: 0 })],
    ['with expires_in in words', (tokens) => respondWith(200, { ...tokens, expires_in: 'never' })],
    ['with refresh_token: null', (tokens) => respondWith(200, { ...tokens, refresh_token: null })],
    [
      'with a list of scopes',
      (tokens) => respondWith(200, { ...tokens, scope: ['identify', 'x'] }),
    ],
    ['with an empty error', (tokens) => respondWith(200, { ...tokens, error: '' })],
    [
      'with an ID token nobody asked for',
      (tokens) => respondWith(200, { ...tokens, id_token: 'a.b.c' }),
    ],
    ['as created', (tokens) => respondWith(201, tokens)],
    [
      'as text',
      (tokens) => respondWith(200, JSON.stringify(tokens), { 'content-type': 'text/javascript' }),
    ],
    [
      'as a form called HTML',
      (tokens) =>
        respondWith(200, String(new URLSearchParams(tokens as Record<string, string>)), {
          'content-type': 'text/html',
        }),
    ],
  ])('may give tokens %s', async (_, change) => {
    givesTokens(change);
    const { browser } = await signIn();
    await expect(whoIs(browser)).resolves.toBe('80351110224678912');
    expect((await browser.fetch('/api/x')).status).toBe(200);
  });

  it.each([
    ['a list', respondWith(200, '[]', json), 502],
    ['null', respondWith(200, 'null', json), 502],
    ['nothing', respondWith(200), 503],
    ['an error that is no text', respondWith(200, { error: { message: 'no' } }), 502],
    ['an error that is true', respondWith(200, { error: true, access_token: 'x' }), 502],
    ['a redirect', respondWith(302, undefined, { location: 'https://evil.example/' }), 503],
    ['more than maxResponse', respondWith(200, { access_token: 'x'.repeat(30_000) }), 503],
    [
      'a token that cannot be sent',
      respondWith(200, { access_token: 'a b', token_type: 'bearer' }),
      502,
    ],
  ])('does not sign in with %s in place of tokens', async (_, handler, status) => {
    service.overrides.set(tokenPath, handler);
    const { browser, page } = await signIn();
    expect(page.status).toBe(status);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('may want the secret as Basic, in a form of its own (RFC 6749 §2.3.1)', async () => {
    await using other = await startBff({
      providers: [discordAt(service, { clientAuth: 'client_secret_basic' })],
    });
    await expect(whoIs(await other.signedIn())).resolves.toBe('80351110224678912');
    const [redeemed] = service.requestsTo(tokenPath);
    expect(redeemed?.headers.authorization).toMatch(/^Basic /);
    expect(redeemed?.form.has('client_secret')).toBe(false);
  });

  it('is called at sign-out where it has an endpoint for that', async () => {
    const { browser } = await signIn();
    const response = await browser.fetch('/bff/logout', { method: 'POST' });
    const { location } = (await response.json()) as { location: string };
    expect(location).toContain(`${service.url}/goodbye?post_logout_redirect_uri=`);
    expect(location).not.toContain('id_token_hint');
  });

  it('cannot end sessions by logout tokens, because they could not be verified', async () => {
    const claims = { iss: `${service.url}/api/users/@me`, sub: '80351110224678912' };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const response = await fetch(`${bff.url}/bff/backchannel`, {
      method: 'POST',
      body: new URLSearchParams({ logout_token: `${part({ alg: 'RS256' })}.${part(claims)}.x` }),
    });
    expect(response.status).toBe(400);
  });

  it('is named by /readyz when it is away, and only then', async () => {
    const ready = async () =>
      (await (await fetch(`${bff.managementUrl}/readyz`)).json()) as {
        status: string;
        checks: Record<string, { status: string }>;
      };
    expect((await ready()).checks['provider:club']).toEqual({ status: 'ok' });
    await service.stop();
    const { status, checks } = await ready();
    expect([status, checks['provider:club']?.status]).toEqual(['degraded', 'unavailable']);
    await service.start();
    await waitFor(async () => (await ready()).status === 'ok');
  });
});
