import type { ProviderOptions } from '../../src/config/options.ts';
import { Provider } from '../../src/oauth/provider/provider.ts';
import { ProviderRegistry } from '../../src/oauth/provider-registry.ts';
import type { KeyValueStore } from '../../src/session/store/key-value-store.ts';
import { RedisKeyValueStore } from '../../src/session/store/redis/redis-key-value-store.ts';
import { recordNameOf, SealedRecords } from '../../src/session/store/sealed-records.ts';
import { Sealing } from '../../src/session/store/sealing.ts';
import { SessionIndex } from '../../src/session/sessions/session-index.ts';
import type { SessionRoomOptions } from '../../src/session/session-options.ts';
import { SessionStore } from '../../src/session/sessions/session-store.ts';
import type { Session } from '../../src/session/sessions/session.ts';
import { SignedInSessionsService } from '../../src/session/sessions/signed-in-sessions.service.ts';
import { testRedis, type TestRedis } from '../support/redis/redis.ts';

const issuer = 'https://login.example.com';
const alice = { issuer, sub: 'alice' };
const clientId = 'spa';
const atOneProvider = { issuer, clientIds: [clientId], sid: 'one-session' };
const hour = 3_600_000;
const limits = { idle: hour, absolute: 8 * hour };
const many = 2500;
/** Ids of one portion. */
const portion = 100;

/** Sends no tokens anywhere: revocation is not measured here. */
class UnreachableProviders extends ProviderRegistry {
  override ofAccount(): undefined {
    return undefined;
  }
}

/** A store that records the number of concurrent commands and the largest page of a list. */
function observed(store: KeyValueStore) {
  const seen = { calls: [] as string[], underWay: 0, most: 0, longest: 0 };
  const watched = new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return (...args: unknown[]) => {
        const result: unknown = Reflect.apply(method, target, args);
        if (!(result instanceof Promise)) return result;
        seen.calls.push(String(name));
        seen.underWay += 1;
        seen.most = Math.max(seen.most, seen.underWay);
        return result
          .then((value: unknown) => {
            if (Array.isArray(value)) seen.longest = Math.max(seen.longest, value.length);
            return value;
          })
          .finally(() => (seen.underWay -= 1));
      };
    },
  });
  const reset = () => Object.assign(seen, { calls: [], underWay: 0, most: 0, longest: 0 });
  return { watched, seen, reset };
}

describe('a user with thousands of sessions', () => {
  let redis: TestRedis;
  let values: RedisKeyValueStore;
  let setup: ReturnType<typeof open>;
  beforeAll(async () => {
    redis = await testRedis();
    values = new RedisKeyValueStore(redis);
  });
  afterAll(async () => {
    await values.close();
    await redis.close();
  });
  beforeEach(() => {
    setup = open(0);
  });
  afterEach(() => redis.clear());

  function open(maxPerUser: number) {
    const { watched, seen, reset } = observed(values);
    const secrets = ['a session secret for tests, long enough'];
    const prefix = redis.keyPrefix;
    const records = new SealedRecords(watched, new Sealing(secrets), `${prefix}session:`);
    const options = { session: { ...limits, maxPerUser } } as SessionRoomOptions;
    const index = new SessionIndex(watched, `${prefix}index:`, { idle: hour, secrets }, Date.now);
    const store = new SessionStore(records, index, watched, limits, Date.now, () => true);
    const client = new Provider({
      id: 'corp',
      issuer,
      clientId,
      maxResponse: 1,
    } as ProviderOptions);
    const providers = new UnreachableProviders([client], 'http://localhost/bff');
    return {
      seen,
      reset,
      store,
      sessions: new SignedInSessionsService(store, index, providers, options),
    };
  }

  async function begin(number: number, more: Partial<Session> = {}): Promise<Session> {
    const secret = `secret-${number}`;
    const signedIn = {
      ...alice,
      sid: atOneProvider.sid,
      id: recordNameOf(secret),
      provider: 'corp',
      clientId,
      claims: {},
      tokens: { accessToken: `access-${number}`, obtainedAt: 0 },
      createdAt: Date.now() - 60_000 + number,
      begunAt: Date.now() - 60_000 + number,
      expiresAt: Date.now() + hour,
      ...more,
    };
    const cookie = { originalMaxAge: null };
    await setup.store.begin(secret, { cookie, signedIn } as never);
    return signedIn;
  }

  /** The newest of them last. */
  async function beginMany(count: number): Promise<Session[]> {
    const begun: Session[] = [];
    for (let next = 0; next < count; next += 50) {
      const numbers = Array.from({ length: Math.min(50, count - next) }, (_, n) => next + n);
      begun.push(...(await Promise.all(numbers.map((number) => begin(number)))));
    }
    setup.reset();
    return begun;
  }

  const expectPortions = () => {
    expect(setup.seen.longest).toBeLessThanOrEqual(portion);
    // Ending a session removes it from both of its lists.
    expect(setup.seen.most).toBeLessThanOrEqual(2 * portion);
  };

  it('is listed in portions, every session once and the oldest first, without tokens or claims', async () => {
    const begun = await beginMany(many);
    const listed = await setup.sessions.list(alice);
    expectPortions();
    expect(setup.seen.most).toBeLessThanOrEqual(portion);
    expect(listed.map(({ session }) => session.id)).toEqual(begun.map(({ id }) => id));
    expect(JSON.stringify(listed)).not.toMatch(/access-|claims|tokens/);
  });

  it('is signed out by a logout token in portions, and none of the sessions is left', async () => {
    await beginMany(many);
    await expect(setup.sessions.subjectsOf(atOneProvider)).resolves.toEqual(['alice']);
    await expect(setup.sessions.endGroup(atOneProvider, 'withoutOfflineAccess')).resolves.toBe(
      many,
    );
    expectPortions();
    await expect(setup.sessions.list(alice)).resolves.toEqual([]);
    expect([...(await redis.dump()).keys()].filter((key) => !key.endsWith(':closed'))).toEqual([]);
  });

  it('ends all sessions but one in portions', async () => {
    const begun = await beginMany(many);
    const kept = begun[1234]?.id ?? '';
    await expect(setup.sessions.endAll(alice, kept)).resolves.toBe(many - 1);
    expectPortions();
    const left = await setup.sessions.list(alice);
    expect(left.map(({ session }) => session.id)).toEqual([kept]);
  });

  it('loses the oldest above session.maxPerUser, in portions', async () => {
    const begun = await beginMany(450);
    const limited = open(100);
    await limited.sessions.keepWithinLimit(begun.at(-1) as Session);
    expect(limited.seen.most).toBeLessThanOrEqual(2 * portion);
    expect(limited.seen.longest).toBeLessThanOrEqual(portion);
    const left = await limited.sessions.list(alice);
    expect(left.map(({ session }) => session.id)).toEqual(begun.slice(-100).map(({ id }) => id));
  });

  it('costs a sign-in one count while there are not more than session.maxPerUser', async () => {
    const begun = await beginMany(100);
    const limited = open(100);
    await limited.sessions.keepWithinLimit(begun.at(-1) as Session);
    expect(limited.seen.calls).toEqual(['countMembers']);
  });
});
