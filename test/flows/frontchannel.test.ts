import { providerAt } from '../support/authorization-server/provider-at.ts';
import { respondWith } from '../support/upstream/responses.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { describeInChromium } from '../support/browser/chromium.ts';
import { startRedis } from '../support/redis/server.ts';
import { startUpstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { type SignedIn, signedInAt, statusesAt } from './logout-tokens.ts';
import { whoIs } from './steps.ts';

const willing = {
  authorizationServer: { backchannelLogout: true },
  provider: { frontchannelLogout: true },
} as const;

type Parameters = Readonly<Record<string, string>> | string;

/** Asks the front-channel endpoint as nobody's browser does: without any cookie. */
async function requestLogout(bff: TestBff, parameters: Parameters, method = 'GET') {
  const query = new URLSearchParams(parameters);
  const url = `http://127.0.0.1:${bff.port}/bff/frontchannel?${query}`;
  const response = await fetch(url, { method, redirect: 'manual' });
  const { status, headers } = response;
  return { status, headers, body: await response.text() };
}

const ancestorsIn = (headers: Headers) =>
  /frame-ancestors ([^;]+)$/.exec(headers.get('content-security-policy') ?? '')?.[1];

describe('front-channel logout', () => {
  let partner: AuthorizationServer;
  let bff: TestBff;
  let alice: SignedIn;
  let issuer: string;
  beforeAll(async () => {
    partner = await startAuthorizationServer({ clientId: 'at-partner' });
    bff = await startBff({
      ...willing,
      providers: (usual) => [usual, providerAt(partner)],
    });
    ({ issuer } = bff.authorizationServer);
  });
  afterAll(async () => {
    await bff.close();
    await partner.close();
  });
  beforeEach(async () => {
    await bff.redis.clear();
    alice = await signedInAt(bff);
  });

  const named = (changes: Readonly<Record<string, string>> = {}) => ({
    iss: issuer,
    sid: alice.sid,
    ...changes,
  });

  it('ends the session that iss and sid name on every replica, without a cookie', async () => {
    const replicas = [bff, await bff.replica(), await bff.replica()];
    const others = [await signedInAt(bff), await signedInAt(bff, 'bob')];
    const response = await requestLogout(bff, named());
    expect(response.status).toBe(200);
    const after = await Promise.all(replicas.map((replica) => statusesAt(replica, alice.browser)));
    expect(after.flat()).toEqual([401, 401, 401, 401, 401, 401]);
    const people = await Promise.all(others.map(({ browser }) => whoIs(browser)));
    expect(people).toEqual(['alice', 'bob']);
    expect(bff.logs.lines).toContainEqual(
      expect.objectContaining({ msg: 'signed out by a frame of the provider', issuer }),
    );
  });

  it('responds with a page that is not cached and that only the provider may frame', async () => {
    const { headers, body } = await requestLogout(bff, named());
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-frame-options')).toBeNull();
    expect(headers.get('content-security-policy')).toBe(
      `default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors ${issuer}`,
    );
    expect(headers.get('set-cookie')).toBeNull();
    expect(body).toBe('<!doctype html><html lang="en"><title>Signed out</title></html>\n');
  });

  it('says the same of a session there was and of one there was not', async () => {
    const [there, gone] = [
      await requestLogout(bff, named()),
      await requestLogout(bff, named({ sid: 'unknown' })),
    ];
    const shown = ({ status, headers, body }: typeof there) => [
      status,
      body,
      [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name)),
    ];
    expect(shown(gone)).toEqual(shown(there));
  });

  /** What a call has answered and changed. */
  async function outcomeOf(parameters: Parameters) {
    const { status, headers } = await requestLogout(bff, parameters);
    return {
      status,
      cacheControl: headers.get('cache-control'),
      framing: [headers.get('x-frame-options'), ancestorsIn(headers)],
      keys: [...(await bff.redis.dump()).keys()].toSorted(),
      user: await whoIs(alice.browser),
    };
  }
  const nothingHappened = async (status: number, framing: readonly unknown[]) => {
    // Whoever makes up a sid costs us no memory either.
    const keys = [...(await bff.redis.dump()).keys()].toSorted();
    return { status, cacheControl: 'no-store', framing, keys, user: 'alice' };
  };

  it.each<readonly [string, () => Parameters]>([
    ['an unknown sid', () => named({ sid: 'unknown' })],
    ['the sub as the sid', () => named({ sid: 'alice' })],
    ['a sid in other letters', () => named({ sid: alice.sid.toUpperCase() })],
  ])('with %s ends nothing', async (_, parameters) => {
    const expected = await nothingHappened(200, [null, issuer]);
    expect(await outcomeOf(parameters())).toEqual(expected);
  });

  it.each<readonly [string, () => Parameters, number]>([
    ['another issuer', () => named({ iss: 'https://evil.example' }), 200],
    ['our issuer with a slash', () => named({ iss: `${issuer}/` }), 200],
    ['an issuer that is no address', () => named({ iss: 'x; frame-ancestors *' }), 200],
    ['a provider that is not willing', () => named({ iss: partner.issuer }), 200],
    ['no parameters', () => '', 400],
    ['no iss', () => ({ sid: alice.sid }), 400],
    ['no sid', () => ({ iss: issuer }), 400],
    ['an empty iss', () => named({ iss: '' }), 400],
    ['an empty sid', () => named({ sid: '' }), 400],
    ['iss twice', () => `${new URLSearchParams(named())}&iss=${issuer}`, 400],
    ['sid twice', () => `${new URLSearchParams(named())}&sid=${alice.sid}`, 400],
    ['a list of sids', () => `iss=${issuer}&sid[]=${alice.sid}`, 400],
    ['a control character', () => named({ sid: `${alice.sid}\0` }), 400],
  ])('with %s ends nothing, and no page may frame the response', async (_, parameters, status) => {
    const expected = await nothingHappened(status, ['DENY', "'none'"]);
    expect(await outcomeOf(parameters())).toEqual(expected);
  });

  it.each(['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'])('by %s is none', async (method) => {
    const response = await requestLogout(bff, named(), method);
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
    expect(response.headers.get('cache-control')).toBe('no-store');
    await expect(whoIs(alice.browser)).resolves.toBe('alice');
  });

  it('can be repeated', async () => {
    const addresses = Array.from({ length: 10 }, () => requestLogout(bff, named()));
    const statuses = (await Promise.all(addresses)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    await bff.signedIn('alice', alice.browser);
    await expect(whoIs(alice.browser)).resolves.toBe('alice');
  });

  it('revokes the tokens of the session', async () => {
    bff.authorizationServer.requests.length = 0;
    await requestLogout(bff, named());
    const revocations = await waitFor(() => {
      const requests = bff.authorizationServer.requestsTo('revocation');
      return requests.length > 0 && requests;
    });
    const hints = revocations.map(({ form }) => form.get('token_type_hint'));
    expect(hints).toEqual(['refresh_token']);
  });
});

describe('front-channel logout that no provider is configured for', () => {
  it('is not there', async () => {
    await using bff = await startBff({ authorizationServer: { backchannelLogout: true } });
    const { browser, sid } = await signedInAt(bff);
    const response = await requestLogout(bff, { iss: bff.authorizationServer.issuer, sid });
    expect([response.status, JSON.parse(response.body)]).toEqual([
      404,
      expect.objectContaining({ code: 'not_found' }),
    ]);
    expect(ancestorsIn(response.headers)).toBe("'none'");
    await expect(whoIs(browser)).resolves.toBe('alice');
  });
});

describe('front-channel logout while Redis is down', () => {
  it('is 503, and works when Redis is back', async () => {
    const redis = await startRedis();
    try {
      await using bff = await startBff({ ...willing, redis: { url: redis.url } });
      const { sid } = await signedInAt(bff);
      const parameters = { iss: bff.authorizationServer.issuer, sid };
      await redis.stop();
      const failed = await requestLogout(bff, parameters);
      expect(failed.status).toBe(503);
      expect(failed.headers.get('retry-after')).toMatch(/^\d+$/);
      expect(ancestorsIn(failed.headers)).toBe("'none'");
      await redis.restart();
      await waitFor(async () => (await requestLogout(bff, parameters)).status === 200);
    } finally {
      await redis.stop();
    }
  });
});

describeInChromium('front-channel logout in a real browser', (open) => {
  it('works in a frame of the provider, and in no other', async () => {
    await using bff = await startBff(willing);
    const { authorizationServer } = bff;
    const { issuer } = authorizationServer;
    const { browser, sid } = await signedInAt(bff);
    const address = `${bff.url}/bff/frontchannel?${new URLSearchParams({ iss: issuer, sid })}`;
    const page = respondWith(200, `<iframe src="${address.replaceAll('&', '&amp;')}"></iframe>`, {
      'content-type': 'text/html',
    });
    authorizationServer.override('/signed-out', page);
    const evil = await startUpstream(page);

    const tab = await (await open()).newPage();
    await tab.goto(`${issuer}/signed-out`);
    await waitFor(async () => (await tab.frames()[1]?.title()) === 'Signed out');
    await expect(whoIs(browser)).resolves.toBeUndefined();

    await tab.goto(evil.url);
    await waitFor(() => tab.frames()[1]?.url().startsWith('chrome-error:') ?? false);
    await evil.close();
  });
});
