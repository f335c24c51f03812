import { MemoryKeyValueStore } from '../../src/session/store/memory.ts';
import { SessionIndex } from '../../src/session/sessions/session-index.ts';
import type { Session } from '../../src/session/sessions/session.ts';

const issuer = 'https://login.example.com';
const clientIds = ['spa'];
const oldSecret = 'an old session secret, long enough for it';
const newSecret = 'a new session secret, long enough for it';

function openIndex() {
  let now = 1000;
  const values = new MemoryKeyValueStore(() => now);
  const withSecrets = (...secrets: string[]) =>
    new SessionIndex(values, 'index:', { secrets, idle: 10_000 }, () => now);
  return { values, withSecrets, at: (time: number) => void (now = time) };
}

const session = (id: string, more: object = {}): Session =>
  ({
    id,
    issuer,
    clientId: 'spa',
    sub: 'alice',
    createdAt: 1000,
    begunAt: 1000,
    ...more,
  }) as Session;

async function idsOf(index: SessionIndex, name: { sub: string } | { sid: string }) {
  const ids: string[] = [];
  for await (const portion of index.pagesOf({ issuer, clientIds, ...name })) ids.push(...portion);
  return ids;
}

describe('the session index', () => {
  it('finds the sessions of a subject at its issuer, and those of one session at the provider', async () => {
    const index = openIndex().withSecrets(newSecret);
    await index.add(session('one', { sid: 'a' }));
    await index.add(session('two', { sid: 'b' }));
    await index.add(session('bob', { sub: 'bob', sid: 'c' }));
    await index.add(session('elsewhere', { issuer: 'https://other.example.com' }));
    await expect(idsOf(index, { sub: 'alice' })).resolves.toEqual(['one', 'two']);
    await expect(idsOf(index, { sid: 'b' })).resolves.toEqual(['two']);
    await expect(idsOf(index, { sid: 'alice' })).resolves.toEqual([]);
    await index.remove(session('two', { sid: 'b' }));
    await expect(idsOf(index, { sub: 'alice' })).resolves.toEqual(['one']);
    await expect(idsOf(index, { sid: 'b' })).resolves.toEqual([]);
  });

  it('forgets a session that must have ended, and remembers one that was seen in each of its idle times', async () => {
    const { withSecrets, at } = openIndex();
    const index = withSecrets(newSecret);
    await index.add(session('idle'));
    await index.add(session('busy'));
    // As late as can be in each, counted from the beginning at 1000.
    for (const time of [10_999, 20_999, 30_998]) {
      at(time);
      await index.renew(session('busy'));
    }
    at(40_990);
    await expect(idsOf(index, { sub: 'alice' })).resolves.toEqual(['busy']);
    at(60_000);
    await expect(idsOf(index, { sub: 'alice' })).resolves.toEqual([]);
  });

  it('is written to once in each idle time of a session, and by each replica that did not see it begin', async () => {
    const { values, withSecrets, at } = openIndex();
    let writes = 0;
    const seen = values.renewMember.bind(values);
    values.renewMember = (...parameters) => {
      writes += 1;
      return seen(...parameters);
    };
    const here = withSecrets(newSecret);
    await here.add(session('one'));
    const writesOf = async (index: SessionIndex, time: number) => {
      at(time);
      const before = writes;
      await index.renew(session('one'));
      await index.renew(session('one'));
      return writes - before;
    };
    await expect(writesOf(here, 9000)).resolves.toBe(0);
    await expect(writesOf(withSecrets(newSecret), 9500)).resolves.toBe(1);
    await expect(writesOf(here, 11_000)).resolves.toBe(1);
    await expect(writesOf(here, 19_000)).resolves.toBe(0);
    await expect(writesOf(here, 21_000)).resolves.toBe(1);
  });

  it('refuses a sign-in that began before its subject, or its session at the provider, was signed out', async () => {
    const { withSecrets, at } = openIndex();
    const index = withSecrets(newSecret);
    at(2000);
    await index.revokeBefore({ issuer, clientIds, sid: 'a' });
    await expect(index.add(session('one', { sid: 'a' }))).resolves.toBe(false);
    await expect(index.isStillValid(session('one', { sid: 'a' }))).resolves.toBe(false);
    await expect(index.add(session('two', { sid: 'b' }))).resolves.toBe(true);
    await expect(index.isStillValid(session('two', { sid: 'b' }))).resolves.toBe(true);
    await expect(index.add(session('later', { sid: 'a', begunAt: 2001 }))).resolves.toBe(true);
    await index.revokeBefore({ issuer, clientIds, sub: 'alice' });
    await expect(index.add(session('three', { sid: 'b' }))).resolves.toBe(false);
    await expect(index.add(session('bob', { sub: 'bob' }))).resolves.toBe(true);
  });

  it.each([-3_600_000, 3_600_000])(
    'judges by the clock of the store, when that of a replica differs by %i ms',
    async (difference) => {
      const { values, at } = openIndex();
      const options = { secrets: [newSecret], idle: 10_000 };
      const index = new SessionIndex(values, 'index:', options, () => 5000 + difference);
      at(2000);
      await index.revokeBefore({ issuer, clientIds, sub: 'alice' });
      await expect(index.add(session('before', { begunAt: 1999 }))).resolves.toBe(false);
      await expect(index.add(session('after', { begunAt: 2001 }))).resolves.toBe(true);
      await expect(index.isStillValid(session('after', { begunAt: 2001 }))).resolves.toBe(true);
      await expect(index.isStillValid(session('after', { begunAt: 1999 }))).resolves.toBe(false);
    },
  );

  it('finds, sees, closes and removes what was entered under an older secret', async () => {
    const { withSecrets, at } = openIndex();
    const before = withSecrets(oldSecret);
    const after = withSecrets(newSecret, oldSecret);
    await before.add(session('old'));
    await after.add(session('new'));
    await expect(idsOf(after, { sub: 'alice' })).resolves.toEqual(['new', 'old']);
    at(14_000);
    await after.renew(session('old'));
    at(24_000);
    await expect(idsOf(after, { sub: 'alice' })).resolves.toEqual(['old']);
    await after.revokeBefore({ issuer, clientIds, sub: 'alice' });
    await expect(before.add(session('late'))).resolves.toBe(false);
    await after.remove(session('old'));
    await expect(idsOf(before, { sub: 'alice' })).resolves.toEqual([]);
  });

  it('names no user in the store', async () => {
    const { values, withSecrets } = openIndex();
    const names: string[] = [];
    const enlist = values.addMember.bind(values);
    values.addMember = (list, member, times) => {
      names.push(list, member);
      return enlist(list, member, times);
    };
    await withSecrets(newSecret).add(session('one', { sid: 'canary-sid', sub: 'canary-sub' }));
    const [subject = '', , provider = ''] = names;
    expect(subject).toMatch(/^index:\{[\w-]{43}\}$/);
    expect(provider).toMatch(/^index:\{[\w-]{43}\}$/);
    expect(provider).not.toBe(subject);
    expect(names.join()).not.toContain('canary');
  });
});
