import { createHmac, hkdfSync } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { KeyValueStore, ListEntry } from '../store/key-value-store.ts';
import { remember } from '../store/remember.ts';
import type { Session } from './session.ts';

/** The fields of a session that determine its lists: its own and those of connected accounts. */
type IndexedSession = Pick<Session, 'id' | 'createdAt' | 'begunAt' | 'connections'> &
  IndexedAccount;

/** The fields that determine the lists of an account. */
type IndexedAccount = Pick<Session, 'issuer' | 'clientId' | 'sub' | 'sid'>;

/**
 * Selects sessions at some clients of one issuer, either of a subject or of one session at the
 * provider (OIDC Back-Channel Logout §2.4). Clients share subjects and often `sid`s, but a logout
 * from one client does not concern the others.
 */
export type SessionGroup = { readonly issuer: string; readonly clientIds: readonly string[] } & (
  { readonly sub: string } | { readonly sid: string }
);

/**
 * How much longer than its session an entry lives, in milliseconds. Redis may execute the commands
 * for the two at different times, but every session must have an entry.
 */
const slack = 2000;

/**
 * The maximum number of sessions in `#renewedIn`. Enough for one process. Evicting one early costs
 * one more renewal.
 */
const maxRemembered = 100_000;

/** The maximum number of ids per page. */
const pageSize = 100;

/** The longest time from the authorization code to the session, in milliseconds. */
const maxSignInTime = 5 * 60 * 1000;

/**
 * Indexes sessions by subject and by session at the provider, so that they can be listed and ended.
 * A session is added before it exists and removed after it ends, so that none is missed. Entries
 * expire after their sessions.
 */
export class SessionIndex {
  readonly #keys: readonly Buffer[];
  /** By session id: the last idle period in which this process renewed the entries. */
  readonly #renewedIn = new Map<string, number>();
  readonly #openedAt: number;

  /**
   * `secrets` are newest first. They key the hashes in list names, because a subject could be
   * guessed from an unkeyed hash. `idle` is in milliseconds.
   */
  constructor(
    private readonly store: KeyValueStore,
    private readonly prefix: string,
    private readonly options: { readonly secrets: readonly string[]; readonly idle: number },
    private readonly clock: Clock,
  ) {
    this.#keys = options.secrets.map((secret) =>
      Buffer.from(hkdfSync('sha256', secret, '', 'pixie-bff session index v1', 32)),
    );
    this.#openedAt = clock();
  }

  /**
   * Adds a session that is about to begin. Returns `false` if one of its groups was ended after the
   * sign-in began.
   */
  async add(session: IndexedSession): Promise<boolean> {
    const times = { ...this.#times(this.clock()), since: session.begunAt };
    return this.#inAllGroups(session, (list) => this.store.addMember(list, session.id, times));
  }

  /**
   * Checks that neither an added session nor one of its groups was ended since the sign-in began.
   */
  async isStillValid(session: IndexedSession): Promise<boolean> {
    const { id, begunAt } = session;
    return this.#inAllGroups(session, (list) => this.store.hasMember(list, id, begunAt));
  }

  /**
   * Renews the entries of a session in use. An entry lives for two idle times, so one renewal per
   * idle time is enough. Periods are counted from the session's creation. Its first period needs no
   * renewal if this process was already running then.
   */
  async renew(session: IndexedSession): Promise<void> {
    const { id, createdAt } = session;
    const period = Math.floor((this.clock() - createdAt) / this.options.idle);
    const isNew = period === 0 && createdAt >= this.#openedAt;
    if (isNew || this.#renewedIn.get(id) === period) return;
    const times = this.#times(this.clock());
    await this.#inEveryList(session, (list) => this.store.renewMember(list, id, times));
    remember(this.#renewedIn, id, period, maxRemembered);
  }

  async remove(session: IndexedSession): Promise<void> {
    await this.#inEveryList(session, (list) => this.store.removeMember(list, session.id));
  }

  /**
   * Iterates over the ids of a group's sessions, up to a hundred at a time. Includes every session
   * that lives throughout. May include ids of ended sessions, and repeat a session that is used
   * during the iteration.
   */
  async *pagesOf(group: SessionGroup): AsyncGenerator<readonly string[]> {
    for (const list of this.#lists(group)) yield* this.#pages(list);
  }

  async *#pages(list: string): AsyncGenerator<readonly string[]> {
    const { staleBefore } = this.#times(this.clock());
    let after: ListEntry | undefined;
    let entries: readonly ListEntry[];
    do {
      entries = await this.store.members(list, staleBefore, { after, atMost: pageSize });
      if (entries.length > 0) yield entries.map(({ member }) => member);
      after = entries.at(-1);
    } while (entries.length === pageSize);
  }

  /** Returns an upper bound of the number of sessions in a group: ended ones may be counted. */
  async countOf(group: SessionGroup): Promise<number> {
    const { staleBefore } = this.#times(this.clock());
    const counts = this.#lists(group).map((list) => this.store.countMembers(list, staleBefore));
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  /** Refuses sign-ins to this group that began before now, by the store's clock. */
  async revokeBefore(group: SessionGroup): Promise<void> {
    const now = await this.store.time();
    await Promise.all(
      this.#lists(group).map((list) => this.store.revokeBefore(list, now, maxSignInTime)),
    );
  }

  /**
   * Runs `check` on the list that new sessions are added to, the one of the newest secret, of each
   * group.
   */
  async #inAllGroups(
    session: IndexedSession,
    check: (list: string) => Promise<boolean>,
  ): Promise<boolean> {
    const newest = groupsOf(session).flatMap((group) => this.#lists(group).slice(0, 1));
    return (await Promise.all(newest.map(check))).every(Boolean);
  }

  async #inEveryList(
    session: IndexedSession,
    act: (list: string) => Promise<unknown>,
  ): Promise<void> {
    await Promise.all(groupsOf(session).flatMap((group) => this.#lists(group).map(act)));
  }

  #times(now: number) {
    const lifetime = 2 * this.options.idle + slack;
    return { at: now, staleBefore: now - lifetime, ttl: lifetime };
  }

  /**
   * The lists of a group: one for each client and secret, newest secret first. The braces mark the
   * hash tag of a Redis Cluster.
   */
  #lists(group: SessionGroup): string[] {
    const [kind, name] = 'sub' in group ? ['sub', group.sub] : ['sid', group.sid];
    return group.clientIds.flatMap((clientId) => {
      const text = JSON.stringify([kind, group.issuer, clientId, name]);
      return this.#keys.map((key) => {
        const hash = createHmac('sha256', key).update(text);
        return `${this.prefix}{${hash.digest('base64url')}}`;
      });
    });
  }
}

function groupsOf(session: IndexedSession): SessionGroup[] {
  const accounts: IndexedAccount[] = [session, ...Object.values(session.connections ?? {})];
  return accounts.flatMap(({ issuer, clientId, sub, sid }) => {
    const at = { issuer, clientIds: [clientId] };
    return [{ ...at, sub }, ...(sid === undefined ? [] : [{ ...at, sid }])];
  });
}
