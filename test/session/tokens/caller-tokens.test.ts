import { ProviderRegistry } from '../../../src/oauth/provider-registry.ts';
import { routeTokenPolicy, type TokenPolicy } from '../../../src/oauth/tokens/token-policy.ts';
import type { TokenSet } from '../../../src/oauth/tokens/token-set.ts';
import type { SessionRoomOptions } from '../../../src/session/session-options.ts';
import { MemoryKeyValueStore } from '../../../src/session/store/memory.ts';
import { SealedRecords } from '../../../src/session/store/sealed-records.ts';
import { Sealing } from '../../../src/session/store/sealing.ts';
import {
  type Caller,
  CallerTokensService,
} from '../../../src/session/tokens/caller-tokens.service.ts';
import { ClientTokens } from '../../../src/session/tokens/client-tokens.ts';
import { RouteTokenService } from '../../../src/session/tokens/route-token.service.ts';
import { SmallIssuer } from '../../oauth/small-issuer.ts';
import { frozenClock, type TestClock } from '../../support/time/clock.ts';
import {
  type Handler,
  hang,
  hangUp,
  inTurn,
  respondWith,
} from '../../support/upstream/responses.ts';

const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';

function exchangePolicy(exchange: object): TokenPolicy {
  const route = { token: 'required', exchange } as never;
  return routeTokenPolicy(route, 'corp') as TokenPolicy;
}

describe('the token of a caller', () => {
  let clock: TestClock;
  let issuer: SmallIssuer;
  let tokens: CallerTokensService;
  let outcomes: string[];
  const policy = exchangePolicy({ audience: 'orders', scope: 'read' });

  beforeEach(async () => {
    clock = frozenClock();
    issuer = await SmallIssuer.start(clock.now);
    outcomes = [];
    tokens = callerTokens();
  });
  afterEach(() => issuer[Symbol.asyncDispose]());

  function callerTokens(): CallerTokensService {
    const providers = new ProviderRegistry([issuer.provider], 'https://app.example.com/bff');
    const store = new MemoryKeyValueStore(clock.now);
    const records = new SealedRecords(
      store,
      new Sealing(['a secret of 32 characters or more!']),
      '',
    );
    const listeners = { onOutcome: () => undefined, onUnshared: () => undefined };
    const clients = new ClientTokens(records, store, providers, clock.now, listeners);
    const options = { session: { refreshAhead: 0 } } as SessionRoomOptions;
    const none = undefined as never;
    const routeTokens = new RouteTokenService(options, clock.now, none, none, clients);
    return new CallerTokensService(providers, routeTokens, clock.now, ({ kind }) =>
      outcomes.push(kind),
    );
  }

  const caller = (name = 'alice'): Caller => ({
    accessToken: `token-of-${name}`,
    expiresAt: clock.now() + 300_000,
  });
  const requests = () => issuer.server.requests.filter(({ path }) => path === '/token');
  /** Issues a different token in each response. */
  function issue(members: object = { expires_in: 60 }): Handler {
    let count = 0;
    return (...call) =>
      respondWith(200, {
        access_token: `exchanged-${++count}`,
        token_type: 'Bearer',
        issued_token_type: accessTokenType,
        ...members,
      })(...call);
  }
  /** How long a token is valid. The library counts whole seconds of the real clock. */
  function secondsLeft({ expiresAt = 0 }: TokenSet): number {
    const seconds = (expiresAt - clock.now()) / 1000;
    return seconds === 59 ? 60 : seconds;
  }
  const refused = expect.objectContaining({ code: 'token_refused' });
  const unavailable = expect.objectContaining({ code: 'provider_unavailable' });

  it('is exchanged for one of the route', async () => {
    issuer.token = issue();
    const found = await tokens.tokensFor(policy, caller());
    expect(found).toMatchObject({ accessToken: 'exchanged-1', obtainedAt: clock.now() });
    expect(secondsLeft(found)).toBe(60);
    expect(Object.fromEntries(requests()[0]?.form ?? [])).toMatchObject({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: 'token-of-alice',
      subject_token_type: accessTokenType,
      requested_token_type: accessTokenType,
      audience: 'orders',
      scope: 'read',
    });
    expect(outcomes).toEqual(['refreshed']);
  });

  it('names the BFF as the actor if the route wants that', async () => {
    issuer.token = inTurn(
      respondWith(200, { access_token: 'our-own', token_type: 'Bearer', expires_in: 600 }),
      issue(),
    );
    const withActor = exchangePolicy({ audience: 'orders', actor: 'client' });
    await tokens.tokensFor(withActor, caller('alice'));
    await tokens.tokensFor(withActor, caller('bob'));
    const actors = requests().map(({ form }) => form.get('actor_token'));
    expect(actors).toEqual([null, 'our-own', 'our-own']);
  });

  it('is bound to a key of ours if the provider binds tokens', async () => {
    Object.assign(issuer.provider.options, { dpop: true });
    issuer.token = issue({ token_type: 'DPoP' });
    const { dpopKey } = await tokens.tokensFor(policy, caller());
    expect(dpopKey).toMatchObject({ kty: 'EC' });
    expect(requests()[0]?.headers['dpop']).toBeDefined();
  });

  it('is exchanged once for many calls at once, and each caller gets its own', async () => {
    issuer.token = issue();
    const names = ['alice', 'bob', 'alice', 'bob', 'alice'];
    const found = await Promise.all(names.map((name) => tokens.tokensFor(policy, caller(name))));
    expect(requests()).toHaveLength(2);
    expect(found[0]).toBe(found[2]);
    expect(found[1]).toBe(found[3]);
    expect(found[0]).not.toEqual(found[1]);
  });

  it('differs from policy to policy', async () => {
    issuer.token = issue();
    const other = exchangePolicy({ audience: 'billing' });
    await tokens.tokensFor(policy, caller());
    await expect(tokens.tokensFor(other, caller())).resolves.toMatchObject({
      accessToken: 'exchanged-2',
    });
  });

  it('is remembered until it ends, without a promise', async () => {
    issuer.token = issue();
    const first = await tokens.tokensFor(policy, caller());
    clock.advance((first.expiresAt ?? 0) - clock.now() - 1);
    expect(tokens.tokensFor(policy, caller())).toBe(first);
    clock.advance(1);
    await expect(tokens.tokensFor(policy, caller())).resolves.toMatchObject({
      accessToken: 'exchanged-2',
    });
  });

  it.each([
    ['with a longer life', { expires_in: 3600 }],
    ['without an end', {}],
  ])('%s is never remembered past the end of the caller’s own', async (_, members) => {
    issuer.token = issue(members);
    const own = { ...caller(), expiresAt: clock.now() + 10_000 };
    await tokens.tokensFor(policy, own);
    clock.advance(9999);
    expect(tokens.tokensFor(policy, own)).toMatchObject({ accessToken: 'exchanged-1' });
    clock.advance(1);
    await expect(tokens.tokensFor(policy, own)).resolves.toMatchObject({
      accessToken: 'exchanged-2',
    });
  });

  it('that the provider refuses is not requested again for a second, and others are', async () => {
    issuer.token = inTurn(respondWith(400, { error: 'invalid_target' }), issue());
    await expect(tokens.tokensFor(policy, caller())).rejects.toEqual(refused);
    await expect(tokens.tokensFor(policy, caller())).rejects.toEqual(refused);
    expect(requests()).toHaveLength(1);
    await expect(tokens.tokensFor(policy, caller('bob'))).resolves.toBeDefined();
    clock.advance(1000);
    await expect(tokens.tokensFor(policy, caller())).resolves.toBeDefined();
    expect(outcomes).toEqual(['refused', 'refreshed', 'refreshed']);
  });

  it('that is no access token is never used, and concerns this caller alone', async () => {
    const idToken = 'urn:ietf:params:oauth:token-type:id_token';
    issuer.token = inTurn(issue({ issued_token_type: idToken }), issue());
    await expect(tokens.tokensFor(policy, caller())).rejects.toEqual(unavailable);
    await expect(tokens.tokensFor(policy, caller('bob'))).resolves.toBeDefined();
  });

  it.each<readonly [string, Handler]>([
    ['responds with 503', respondWith(503)],
    ['refuses our credentials', respondWith(401, { error: 'invalid_client' })],
    ['hangs up', hangUp()],
    ['hangs', hang()],
  ])('of other callers waits too if the provider %s', async (_, broken) => {
    issuer.token = inTurn(broken, issue());
    await expect(tokens.tokensFor(policy, caller())).rejects.toEqual(unavailable);
    await expect(tokens.tokensFor(policy, caller('bob'))).rejects.toMatchObject({
      code: 'provider_unavailable',
      headers: { 'Retry-After': '1' },
    });
    expect(requests()).toHaveLength(1);
    clock.advance(1000);
    await expect(tokens.tokensFor(policy, caller('bob'))).resolves.toBeDefined();
  });

  it('is tried by one caller after an outage, and the others follow', async () => {
    issuer.token = respondWith(503);
    await expect(tokens.tokensFor(policy, caller())).rejects.toEqual(unavailable);
    clock.advance(1000);
    const all = Array.from({ length: 20 }, (_, index) =>
      Promise.resolve(tokens.tokensFor(policy, caller(String(index)))).catch(() => 'failed'),
    );
    await expect(Promise.all(all)).resolves.toEqual(all.map(() => 'failed'));
    expect(requests()).toHaveLength(2);
  });

  it('cannot be had by a refresh token, which only sessions have', async () => {
    const resource = routeTokenPolicy(
      { token: 'required', resource: 'https://a.test' } as never,
      'corp',
    );
    await expect(tokens.tokensFor(resource as TokenPolicy, caller())).rejects.toEqual(refused);
    expect(requests()).toHaveLength(0);
  });

  describe('that an upstream refused', () => {
    it('is replaced once within thirty seconds', async () => {
      issuer.token = issue();
      const first = await tokens.tokensFor(policy, caller());
      const second = await tokens.replacementFor(policy, caller(), first);
      expect(second).toMatchObject({ accessToken: 'exchanged-2', refusedAt: clock.now() });
      expect(tokens.tokensFor(policy, caller())).toBe(second);
      await expect(tokens.replacementFor(policy, caller(), second as never)).rejects.toEqual(
        refused,
      );
      expect(requests()).toHaveLength(2);
      clock.advance(30_000);
      await expect(tokens.replacementFor(policy, caller(), second as never)).resolves.toMatchObject(
        {
          accessToken: 'exchanged-3',
        },
      );
    });

    it('is replaced once for many calls', async () => {
      issuer.token = issue();
      const first = await tokens.tokensFor(policy, caller());
      const replace = () => tokens.replacementFor(policy, caller(), first);
      const [second, other] = await Promise.all([replace(), replace()]);
      expect(other).toBe(second);
      await expect(replace()).resolves.toBe(second);
      expect(requests()).toHaveLength(2);
    });

    it('because it had ended is replaced like one that was not refused', async () => {
      issuer.token = issue();
      const first = await tokens.tokensFor(policy, caller());
      clock.advance(60_000);
      const second = await tokens.replacementFor(policy, caller(), first);
      expect(second).not.toHaveProperty('refusedAt');
    });
  });
});
