import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { testClock } from '../support/time/clock.ts';
import { FakeDiscord } from '../support/non-oidc/fake-discord.ts';
import { registered } from '../support/non-oidc/fake-service.ts';
import { discordAt } from '../support/non-oidc/providers.ts';
import { beginLogin, changed, errorCode, untilCallback, visitCallback, whoIs } from './steps.ts';

const clock = testClock();
const tokenPath = '/api/oauth2/token';
const mePath = '/api/users/@me';

let discord: FakeDiscord;
let bff: TestBff;
beforeAll(async () => {
  discord = await new FakeDiscord().start();
  const session = { absolute: '30d', idle: '20d' };
  bff = await startBff({ providers: [discordAt(discord)], clock: clock.now, session });
});
afterAll(async () => {
  await bff.close();
  await discord.stop();
});
beforeEach(() => {
  discord.consent = 'allow';
  Object.assign(discord.people, new FakeDiscord().people);
  discord.requests.length = 0;
  discord.overrides.clear();
});

const claimsOf = async (browser = bff.signedIn()) => {
  const response = await (await browser).fetch('/bff/user');
  return ((await response.json()) as { claims: Record<string, unknown> }).claims;
};
const bearer = () => bff.upstream.requests.at(-1)?.headers.authorization?.slice(7) ?? '';

describe('signing in at Discord', () => {
  it('sends PKCE and state, and verifies both', async () => {
    const { request } = await beginLogin(bff, bff.browser(), { prompt: 'none' });
    expect(Object.fromEntries(request.searchParams)).toEqual({
      response_type: 'code',
      client_id: registered.clientId,
      redirect_uri: `${bff.url}/bff/callback`,
      scope: 'identify email',
      prompt: 'none',
      state: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    });
    await bff.signedIn();
    const [redeemed] = discord.requestsTo(tokenPath);
    expect(redeemed?.form.get('code_verifier')).toMatch(/^[\w-]{43}$/);
  });

  it('makes claims of the user', async () => {
    expect(await claimsOf()).toEqual({
      sub: '80351110224678912',
      preferred_username: 'alice',
      name: 'Alice Adams',
      email: 'alice@example.com',
      email_verified: true,
      picture:
        'https://cdn.discordapp.com/avatars/80351110224678912/8342729096ea3675442027381ff50dfe.png',
      locale: 'en-US',
    });
  });

  it('makes do with what there is: no display name, no picture, no address', async () => {
    const changes = { global_name: null, avatar: null, email: null, verified: false };
    Object.assign(discord.people, { alice: { ...discord.people['alice'], ...changes } });
    expect(await claimsOf()).toEqual({
      sub: '80351110224678912',
      preferred_username: 'alice',
      name: 'alice',
      locale: 'en-US',
    });
  });

  it('refreshes a token that has ended, with a refresh token that is spent by it', async () => {
    const browser = await bff.signedIn();
    await browser.fetch('/api/x');
    const first = bearer();
    clock.advance(7 * 24 * 60 * 60 * 1000 + 1000);
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(bearer()).not.toBe(first);
    expect(discord.isValid(bearer())).toBe(true);
    clock.advance(7 * 24 * 60 * 60 * 1000 + 1000);
    expect((await browser.fetch('/api/x')).status).toBe(200);
    expect(discord.requestsTo(tokenPath)).toHaveLength(3);
  });

  it('ends the session when Discord says that the grant is over', async () => {
    const browser = await bff.signedIn();
    discord.forget();
    clock.advance(7 * 24 * 60 * 60 * 1000 + 1000);
    expect((await browser.fetch('/api/x')).status).toBe(401);
    await expect(whoIs(browser)).resolves.toBeUndefined();
  });

  it('takes both tokens back when the user signs out', async () => {
    const browser = await bff.signedIn();
    await browser.fetch('/api/x');
    const token = bearer();
    const response = await browser.fetch('/bff/logout', { method: 'POST' });
    await expect(response.json()).resolves.toEqual({ location: '/' });
    expect(discord.isValid(token)).toBe(false);
  });
});

describe('a sign-in at Discord fails', () => {
  async function outcomeOf(change: (callback: URL) => URL = (callback) => callback) {
    const browser = bff.browser();
    const page = await visitCallback(bff, browser, change(await untilCallback(bff, browser)));
    await expect(whoIs(browser)).resolves.toBeUndefined();
    return [page.status, errorCode(page)];
  }

  it('when the user denies it', async () => {
    discord.consent = 'deny';
    expect(await outcomeOf()).toEqual([403, 'login_denied']);
  });

  it.each([
    ['the code is not valid', { code: 'f' }, [502, 'login_failed']],
    ['the answer is from somebody else', { iss: 'https://evil.example' }, [400, 'invalid_request']],
  ])('when %s', async (_, changes, expected) => {
    expect(await outcomeOf((callback) => changed(callback, changes))).toEqual(expected);
  });

  it.each([
    ['our credentials are refused', tokenPath, respondWith(401, { error: 'invalid_client' }), 502],
    ['an error is not OAuth’s', tokenPath, respondWith(400, { message: 'no', code: 50_109 }), 502],
    ['tokens are rationed', tokenPath, respondWith(429, { message: 'rate limited' }), 503],
    [
      'the token is refused',
      mePath,
      respondWith(401, { message: '401: Unauthorized', code: 0 }),
      502,
    ],
    ['answers are rationed', mePath, respondWith(429, { retry_after: 0.3, global: false }), 503],
  ])('when %s', async (_, path, handler, status) => {
    discord.overrides.set(path, handler);
    expect((await outcomeOf())[0]).toBe(status);
  });

  it('while Discord is away, with a way back when it is there again', async () => {
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    await discord.stop();
    const page = await visitCallback(bff, browser, callback);
    expect([page.status, errorCode(page)]).toEqual([503, 'provider_unavailable']);
    await discord.start();
    await expect(whoIs(await bff.signedIn())).resolves.toBe('80351110224678912');
  });
});
