import { createServer } from 'node:http';
import { Provider } from '../../src/oauth/provider/provider.ts';
import { ProviderRegistry } from '../../src/oauth/provider-registry.ts';
import type { ProviderOptions } from '../../src/config/options.ts';
import { parseOptions } from '../../src/config/load.ts';
import { MemoryKeyValueStore } from '../../src/session/store/memory.ts';
import { recordNameOf, SealedRecords } from '../../src/session/store/sealed-records.ts';
import { Sealing } from '../../src/session/store/sealing.ts';
import { SessionIndex } from '../../src/session/sessions/session-index.ts';
import type { SessionRoomOptions } from '../../src/session/session-options.ts';
import { SessionStore } from '../../src/session/sessions/session-store.ts';
import type { Session } from '../../src/session/sessions/session.ts';
import { seenSession, sessionEntry } from '../../src/session/sessions/session-entry.ts';
import { SignedInSessionsService } from '../../src/session/sessions/signed-in-sessions.service.ts';
import { closeServer, listen } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

const issuer = 'https://login.example.com';
const alice = { issuer, sub: 'alice' };
const hour = 3_600_000;
const limits = { idle: hour, absolute: 8 * hour };

/** Clients of the issuer, whose sessions are of a provider that is not configured any more. */
const clients = ['spa', 'other'].map(
  (clientId) =>
    new Provider({ id: `now-${clientId}`, issuer, clientId, maxResponse: 1 } as ProviderOptions),
);

/** It is the beginning of time, and stays so. */
const clock = () => 0;

/** What several replicas share, each with its own `SignedInSessions`. */
function openSessions({ maxPerUser = 0, providers = clients } = {}) {
  const secrets = ['a session secret for tests, long enough'];
  const values = new MemoryKeyValueStore(clock);
  const records = new SealedRecords(values, new Sealing(secrets), 'session:');
  const options = { session: { ...limits, maxPerUser } } as SessionRoomOptions;
  const replica = () => {
    const index = new SessionIndex(values, 'index:', { idle: hour, secrets }, clock);
    const store = new SessionStore(records, index, values, limits, clock, () => true);
    const known = new ProviderRegistry(providers, 'http://localhost/bff');
    return { index, store, sessions: new SignedInSessionsService(store, index, known, options) };
  };
  const { store, sessions } = replica();
  const begin = async (secret: string, more: Partial<Session> = {}): Promise<Session> => {
    const session = {
      ...alice,
      id: recordNameOf(secret),
      provider: 'corp',
      clientId: 'spa',
      claims: {},
      tokens: { accessToken: `access-${secret}`, obtainedAt: 0 },
      createdAt: 0,
      begunAt: 0,
      expiresAt: 8 * hour,
      ...more,
    };
    await store.begin(secret, { cookie: { originalMaxAge: null }, signedIn: session } as never);
    return session;
  };
  return { values, replica, sessions, store, begin };
}

const idsIn = async (sessions: SignedInSessionsService) =>
  (await sessions.list(alice)).map(({ session }) => session.id);

describe('the sessions of a subject', () => {
  it('are listed the oldest first, and only those that live', async () => {
    const { sessions, store, begin } = openSessions();
    const [late, early, ended] = [
      await begin('late', { createdAt: 20 }),
      await begin('early', { createdAt: 10 }),
      await begin('ended', { createdAt: 5 }),
    ];
    await begin('bob', { sub: 'bob' });
    await store.end(ended.id);
    expect(await idsIn(sessions)).toEqual([early.id, late.id]);
  });

  it('end only for their owner, if one is named', async () => {
    const { sessions, begin } = openSessions();
    const { id } = await begin('one');
    for (const other of [
      { issuer, sub: 'bob' },
      { issuer: `${issuer}/`, sub: 'alice' },
    ])
      await expect(sessions.end(id, other)).resolves.toBeUndefined();
    expect(await idsIn(sessions)).toEqual([id]);
    await expect(sessions.end(id, alice)).resolves.toMatchObject({ id });
    await expect(sessions.end(id, alice)).resolves.toBeUndefined();
    expect(await idsIn(sessions)).toEqual([]);
  });

  it('say what helps to recognise them, and nothing else', async () => {
    const { begin } = openSessions();
    const tokens = { accessToken: 'a', refreshToken: 'r', obtainedAt: 0 };
    const secrets = { sid: 'sid', sessionState: 'state', claims: { name: 'Alice' }, tokens };
    const session = await begin('one', secrets);
    const seen = seenSession(session, 90_000);
    const entry = {
      id: session.id,
      current: false,
      provider: 'corp',
      createdAt: '1970-01-01T00:00:00.000Z',
      lastSeenAt: '1970-01-01T00:01:30.000Z',
      expiresAt: '1970-01-01T08:00:00.000Z',
      userAgent: null,
    };
    expect(sessionEntry(seen)).toEqual(entry);
    expect(sessionEntry(seen, 'another')).toEqual(entry);
    expect(sessionEntry(seen, session.id)).toEqual({ ...entry, current: true });
  });

  it('end where the last token ends, if there will be no other', async () => {
    const { begin } = openSessions();
    const tokens = { accessToken: 'a', obtainedAt: 0, expiresAt: 1000, refreshExpiresAt: 2000 };
    const session = await begin('one', { tokens });
    expect(sessionEntry(seenSession(session, 0)).expiresAt).toBe('1970-01-01T00:00:02.000Z');
  });
});

describe('a group of sessions at one of two clients of an issuer', () => {
  it.each([
    ['sub', { sub: 'alice' }],
    ['sid', { sid: 'shared' }],
  ])('ends without those of the other, though both have its %s', async (_, names) => {
    const { sessions, begin } = openSessions();
    await begin('one', { sid: 'shared' });
    const other = await begin('two', { sid: 'shared', clientId: 'other' });
    const group = { issuer, clientIds: ['spa'], ...names };
    await expect(sessions.subjectsOf(group)).resolves.toEqual(['alice']);
    await expect(sessions.endGroup(group, 'always')).resolves.toBe(1);
    expect(await idsIn(sessions)).toEqual([other.id]);
    await begin('late', { sid: 'shared', clientId: 'other' });
    await expect(begin('stopped', { sid: 'shared' })).rejects.toMatchObject({
      code: 'login_expired',
    });
  });

  it('is one user’s, and each session is in it once', async () => {
    const { sessions, begin } = openSessions({ maxPerUser: 2 });
    const account = { issuer, clientId: 'other', sub: 'alice', claims: {} };
    const connection = { ...account, tokens: { accessToken: 'a', obtainedAt: 0 } };
    const one = await begin('one', { createdAt: 1, connections: { other: connection } });
    const two = await begin('two', { createdAt: 2, clientId: 'other' });
    expect(await idsIn(sessions)).toEqual([one.id, two.id]);
    const three = await begin('three', { createdAt: 3 });
    await sessions.keepWithinLimit(three);
    expect(await idsIn(sessions)).toEqual([two.id, three.id]);
    await expect(sessions.endAll(alice, three.id)).resolves.toBe(1);
    expect(await idsIn(sessions)).toEqual([three.id]);
  });
});

describe('session.maxPerUser', () => {
  it('keeps as many as it says when sign-ins look at each other at the same moment', async () => {
    const { values, replica, sessions, begin } = openSessions({ maxPerUser: 2 });
    const created = [30, 10, 50, 20, 40].map(async (createdAt) =>
      begin(`secret-${createdAt}`, { createdAt }),
    );
    const begun = await Promise.all(created);
    const everybodyLooks = Promise.withResolvers<void>();
    const enlisted = values.members.bind(values);
    let looking = 0;
    values.members = async (...parameters) => {
      const found = await enlisted(...parameters);
      looking += 1;
      if (looking === begun.length) everybodyLooks.resolve();
      await everybodyLooks.promise;
      return found;
    };
    await Promise.all(begun.map(async (one) => replica().sessions.keepWithinLimit(one)));
    const kept = begun.filter(({ createdAt }) => createdAt >= 40);
    expect(await idsIn(sessions)).toEqual(
      kept.toSorted((one, other) => one.createdAt - other.createdAt).map(({ id }) => id),
    );
  });

  it('keeps as many as it says when they begin in the same millisecond', async () => {
    const { replica, sessions, begin } = openSessions({ maxPerUser: 2 });
    const begun = await Promise.all(['a', 'b', 'c', 'd'].map(async (secret) => begin(secret)));
    await Promise.all(begun.map(async (one) => replica().sessions.keepWithinLimit(one)));
    expect(await idsIn(sessions)).toHaveLength(2);
  });

  it.each([
    [0, 3],
    [1, 1],
    [2, 2],
    [3, 3],
    [1_000_000, 3],
  ])('of %i leaves %i of three', async (maxPerUser, left) => {
    const { sessions, begin } = openSessions({ maxPerUser });
    const begun = await Promise.all(
      [1, 2, 3].map(async (createdAt) => begin(String(createdAt), { createdAt })),
    );
    await begin('bob', { sub: 'bob' });
    for (const one of begun) await sessions.keepWithinLimit(one);
    expect(await idsIn(sessions)).toEqual(begun.slice(-left).map(({ id }) => id));
    await expect(sessions.list({ issuer, sub: 'bob' })).resolves.toHaveLength(1);
  });
});

describe('a session that is ended', () => {
  it('is known to have been, though its entries could not be removed', async () => {
    const { values, sessions, begin } = openSessions();
    const { id } = await begin('one');
    values.removeMember = async () => Promise.reject(new Error('down'));
    await expect(sessions.end(id)).resolves.toMatchObject({ id });
    expect(await idsIn(sessions)).toEqual([]);
  });
});

/** A provider that hands over each revocation it is asked for, to be answered whenever. */
async function startProvider(onRevocation: (respond: () => void) => void) {
  const server = createServer((request, response) => {
    if (!request.url?.includes('well-known')) return onRevocation(() => void response.end());
    response.setHeader('content-type', 'application/json');
    const endpoints = { revocation_endpoint: `${issuer}/revoke`, jwks_uri: `${issuer}/jwks` };
    return void response.end(JSON.stringify({ issuer, ...endpoints }));
  });
  const { port } = await listen(server, 0);
  const { providers } = parseOptions({
    publicUrl: 'http://localhost:8080',
    session: { secrets: ['a session secret for tests, long enough'] },
    providers: [
      {
        id: 'corp',
        issuer,
        internalUrl: `http://127.0.0.1:${port}`,
        clientId: 'spa',
        clientSecret: 'b',
      },
    ],
    routes: [],
  });
  return { providers: providers.map((one) => new Provider(one)), server };
}

describe('revocation', () => {
  it('sends the provider a few at a time, and no request waits for it', async () => {
    let [most, open, revoked] = [0, 0, 0];
    let mayRespond = false;
    const waiting: (() => void)[] = [];
    const { providers, server } = await startProvider((respond) => {
      open += 1;
      most = Math.max(most, open);
      const finish = () => {
        open -= 1;
        revoked += 1;
        respond();
      };
      if (mayRespond) finish();
      else waiting.push(finish);
    });
    const { sessions, begin } = openSessions({ providers });
    for (let count = 0; count < 35; count += 1) await begin(String(count));
    await expect(sessions.endAll(alice)).resolves.toBe(35);
    expect(await idsIn(sessions)).toEqual([]);
    await waitFor(() => waiting.length === 10);
    mayRespond = true;
    for (const finish of waiting) finish();
    await waitFor(() => revoked === 35);
    expect(most).toBe(10);
    await closeServer(server);
  });

  it('is requested for what has ended, though not all could be', async () => {
    let revoked = 0;
    const { providers, server } = await startProvider((respond) => {
      revoked += 1;
      respond();
    });
    const { values, sessions, begin } = openSessions({ providers });
    const [kept] = [await begin('kept'), await begin('ended', { createdAt: 1 })];
    const take = values.take.bind(values);
    values.take = async (key) => {
      if (key.includes(kept.id)) throw new Error('down');
      return take(key);
    };
    await expect(sessions.endAll(alice)).rejects.toThrow('down');
    expect(await idsIn(sessions)).toEqual([kept.id]);
    await waitFor(() => revoked === 1);
    await closeServer(server);
  });
});
