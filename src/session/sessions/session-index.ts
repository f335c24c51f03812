import { createHmac, hkdfSync } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { KeyValueStore, ListEntry } from '../store/key-value-store.ts';
import { remember } from '../store/remember.ts';
import type { Session } from './session.ts';

/**
 * What of a session says on which lists it stands: those of its subject, and of the accounts it is
 * connected with.
 */
type Listed = Pick<Session, 'id' | 'createdAt' | 'begunAt' | 'connections'> & Listing;

/** The fields that name the lists of an account. */
type Listing = Pick<Session, 'issuer' | 'clientId' | 'sub' | 'sid'>;

/**
 * Selects sessions at some clients of one issuer, either of a subject or of one session at the
 * provider (OIDC Back-Channel Logout §2.4). Clients share subjects and often `sid`s, but a logout
 * from one client does not concern the others.
 */
export type SessionGroup = { readonly issuer: string; readonly clientIds: readonly string[] } & (
  { readonly sub: string } | { readonly sid: string }
);

/**
 * An entry outlives its session by this time, in milliseconds: no session must be without one,
 * however slowly Redis answers.
 */
const slack = 2000;

/**
 * Enough for the sessions one process serves; the entry of one that is forgotten is only renewed
 * once more.
 */
const mostRemembered = 100_000;

/** The maximum number of ids per page. */
const mostAtOnce = 100;

/** A sign-in takes no longer than this from its code to its session, in milliseconds. */
const longestSignIn = 5 * 60 * 1000;

/**
 * Which sessions a subject has, and which belong to one session at the provider, so that they can
 * be listed and ended. A session is entered before it exists and taken out after it is gone: none
 * escapes. Entries end as their sessions do.
 */
export class SessionIndex {
  readonly #keys: readonly Buffer[];
  /** By session: the last of its idle periods in which its entries were renewed here. */
  readonly #renewedIn = new Map<string, number>();
  readonly #openedAt: number;

  /**
   * `secrets` newest first: names of lists are keyed by them, because a subject could be guessed
   * from a mere hash.
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
   * Enters a session that is about to begin; `false` if one of its groups was ended after the
   * sign-in began.
   */
  async add(session: Listed): Promise<boolean> {
    const times = { ...this.#times(this.clock()), since: session.begunAt };
    return this.#inAllGroups(session, (list) => this.store.addMember(list, session.id, times));
  }

  /**
   * Whether a session that was entered may go on: nobody has ended it or one of its groups since
   * the sign-in began.
   */
  async isStillValid(session: Listed): Promise<boolean> {
    const { id, begunAt } = session;
    return this.#inAllGroups(session, (list) => this.store.hasMember(list, id, begunAt));
  }

  /**
   * Notes that a session is in use. An entry lives for two idle times, so that once in each is
   * enough: the one counted from the session's beginning that it is used in now, and on each
   * replica that did not see it begin.
   */
  async seen(session: Listed): Promise<void> {
    const { id, createdAt } = session;
    const period = Math.floor((this.clock() - createdAt) / this.options.idle);
    const isNew = period === 0 && createdAt >= this.#openedAt;
    if (isNew || this.#renewedIn.get(id) === period) return;
    const times = this.#times(this.clock());
    await this.#everywhere(session, (list) => this.store.renewMember(list, id, times));
    remember(this.#renewedIn, id, period, mostRemembered);
  }

  async remove(session: Listed): Promise<void> {
    await this.#everywhere(session, (list) => this.store.removeMember(list, session.id));
  }

  /**
   * Iterates over the ids of a group's sessions, up to a hundred at a time. Every session that
   * lives throughout is included. Ids of ended sessions may be included, and a session used during
   * the iteration may appear twice.
   */
  async *portionsOf(group: SessionGroup): AsyncGenerator<readonly string[]> {
    for (const list of this.#lists(group)) yield* this.#portions(list);
  }

  async *#portions(list: string): AsyncGenerator<readonly string[]> {
    const { staleBefore } = this.#times(this.clock());
    let after: ListEntry | undefined;
    let entries: readonly ListEntry[];
    do {
      entries = await this.store.members(list, staleBefore, { after, atMost: mostAtOnce });
      if (entries.length > 0) yield entries.map(({ member }) => member);
      after = entries.at(-1);
    } while (entries.length === mostAtOnce);
  }

  /** An upper bound of the number of sessions in a group. It may count sessions that have ended. */
  async countOf(group: SessionGroup): Promise<number> {
    const { staleBefore } = this.#times(this.clock());
    const counts = this.#lists(group).map((list) => this.store.countEnlisted(list, staleBefore));
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  /** Refuses sign-ins to this group that began before now, by the store's clock. */
  async revokeBefore(group: SessionGroup): Promise<void> {
    const now = await this.store.time();
    await Promise.all(
      this.#lists(group).map((list) => this.store.revokeBefore(list, now, longestSignIn)),
    );
  }

  /**
   * In the newest list of each group alone; a replica that ends a group still looks into the older
   * ones.
   */
  async #inAllGroups(session: Listed, ask: (list: string) => Promise<boolean>): Promise<boolean> {
    const newest = groupsOf(session).flatMap((group) => this.#lists(group).slice(0, 1));
    return (await Promise.all(newest.map(ask))).every(Boolean);
  }

  async #everywhere(session: Listed, act: (list: string) => Promise<unknown>): Promise<void> {
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

function groupsOf(session: Listed): SessionGroup[] {
  const accounts: Listing[] = [session, ...Object.values(session.connections ?? {})];
  return accounts.flatMap(({ issuer, clientId, sub, sid }) => {
    const at = { issuer, clientIds: [clientId] };
    return [{ ...at, sub }, ...(sid === undefined ? [] : [{ ...at, sid }])];
  });
}
