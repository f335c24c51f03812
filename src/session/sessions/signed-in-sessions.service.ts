import { Inject, Injectable, Logger } from '@nestjs/common';
import { revokeTokens } from '../../oauth/logout/end-session.ts';
import { ProviderRegistry } from '../../oauth/provider-registry.ts';
import { removeConnection } from './linking.ts';
import { allAccounts } from './linked-accounts.ts';
import { type Revocation, Revocations } from './revocations.ts';
import { type SeenSession, seenSession } from './session-entry.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import { type SessionGroup, SessionIndex } from './session-index.ts';
import { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** A session and the time of its last use, in epoch milliseconds, accurate to a minute. */
interface ReadSession {
  readonly session: Session;
  readonly lastSeenAt: number;
}

/** Identifies a user. A `sub` is unique only at its issuer (OIDC Core §5.7). */
export interface Subject {
  readonly issuer: string;
  readonly sub: string;
}

/** The maximum number of sessions that are ended concurrently. */
const maxConcurrentEnds = 100;

/**
 * Lists and ends all sessions of a user, on all devices. When a promise resolves, the ended
 * sessions are over on every replica. All methods throw `session_store_unavailable`.
 */
@Injectable()
export class SignedInSessionsService {
  readonly #logger = new Logger(SignedInSessionsService.name);

  constructor(
    private readonly store: SessionStore,
    private readonly index: SessionIndex,
    private readonly providers: ProviderRegistry,
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
  ) {}

  /** The live sessions of a subject at all clients of its issuer, oldest first. */
  async list(subject: Subject): Promise<SeenSession[]> {
    const group = this.#groupOf(subject);
    const found = new Map<string, SeenSession>();
    for await (const members of this.#pagesOf(group)) {
      const own = members.filter(({ session }) => belongsTo(session, group));
      for (const { session, lastSeenAt } of own)
        found.set(session.id, seenSession(session, lastSeenAt));
    }
    return [...found.values()].toSorted(byAge);
  }

  /** The distinct `sub` values of the sessions and connected accounts in a group. */
  async subjectsOf(group: SessionGroup): Promise<string[]> {
    const subjects = new Set<string>();
    for await (const members of this.#pagesOf(group))
      for (const { session } of members)
        for (const { sub } of accountsIn(session, group)) subjects.add(sub);
    return [...subjects];
  }

  /**
   * Iterates over the sessions of a group, and those connected to an account in it, page by page.
   */
  async *#pagesOf(group: SessionGroup): AsyncGenerator<readonly ReadSession[]> {
    for await (const ids of this.index.pagesOf(group)) {
      const read = await Promise.all(ids.map((id) => this.#read(id)));
      yield read.filter((member) => member !== undefined);
    }
  }

  async #read(id: string): Promise<ReadSession | undefined> {
    const session = await this.store.read(id);
    const lastSeenAt = session && (await this.store.lastUse(session));
    return session && lastSeenAt !== undefined ? { session, lastSeenAt } : undefined;
  }

  /**
   * Ends one session and revokes its tokens. Returns `undefined` if there is no such session, or if
   * `owner` is given and does not own it.
   */
  async end(id: string, owner?: Subject): Promise<Session | undefined> {
    const session = await this.store.read(id);
    if (!session || (owner && !isOwnedBy(session, owner))) return undefined;
    const ended = await this.store.end(id);
    if (ended) this.#revocations().add(allAccounts(ended), 'always');
    return ended;
  }

  /**
   * Ends all sessions of a subject except the one with the id `except`, if given. Returns the
   * number of ended sessions.
   */
  async endAll(subject: Subject, except?: string): Promise<number> {
    const group = this.#groupOf(subject);
    const revocations = this.#revocations();
    let ended = 0;
    for await (const members of this.#pagesOf(group)) {
      const ids = members.filter(({ session }) => belongsTo(session, group)).map(idOf);
      ended += await this.#endEach(
        ids.filter((id) => id !== except),
        'always',
        revocations,
      );
    }
    return ended;
  }

  /**
   * Ends all sessions of a group and refuses sign-ins to it that are in progress. Sessions that are
   * only connected to an account of the group lose that account. Returns the number of ended
   * sessions.
   */
  async endGroup(group: SessionGroup, revocation: Revocation): Promise<number> {
    await this.index.revokeBefore(group);
    const revocations = this.#revocations();
    let ended = 0;
    for await (const members of this.#pagesOf(group)) {
      const own = members.filter(({ session }) => belongsTo(session, group));
      ended += await this.#endEach(own.map(idOf), revocation, revocations);
      const others = members.filter((seen) => !own.includes(seen));
      await this.#disconnectEach(others, group, revocation, revocations);
    }
    return ended;
  }

  /**
   * Ends the oldest sessions of a subject that has more than `session.maxPerUser`, after a sign-in.
   * Concurrent sign-ins on any replica end the same sessions, so that the permitted number remains:
   * the most recent ones, even if `newest` is not among them.
   */
  async keepWithinLimit(newest: Session): Promise<void> {
    const { maxPerUser } = this.options.session;
    if (maxPerUser === 0) return;
    const group = this.#groupOf(newest);
    if ((await this.index.countOf(group)) <= maxPerUser) return;
    const sessions = await this.list(newest);
    const oldest = sessions.slice(0, Math.max(0, sessions.length - maxPerUser)).map(idOf);
    const revocations = this.#revocations();
    for (let next = 0; next < oldest.length; next += maxConcurrentEnds)
      await this.#endEach(oldest.slice(next, next + maxConcurrentEnds), 'always', revocations);
  }

  /**
   * Returns the group of a subject. Copies only these fields: `subject` may be a whole session,
   * which also has a `sid`.
   */
  #groupOf({ issuer, sub }: Subject): SessionGroup {
    return { issuer, clientIds: this.providers.clientIdsOf(issuer), sub };
  }

  async #disconnectEach(
    sessions: readonly ReadSession[],
    group: SessionGroup,
    revocation: Revocation,
    revocations: Revocations,
  ): Promise<void> {
    const { store, index } = this;
    const accounts = sessions.flatMap(({ session }) => accountsIn(session, group));
    const removals = accounts.map(({ id, provider }) =>
      removeConnection({ store, index }, id, provider),
    );
    const removed = (await Promise.all(removals)).filter((account) => account !== undefined);
    revocations.add(removed, revocation);
  }

  /** Ends at most one page of sessions concurrently. Tries all, then throws if one failed. */
  async #endEach(
    ids: readonly string[],
    revocation: Revocation,
    revocations: Revocations,
  ): Promise<number> {
    const results = await Promise.allSettled(ids.map((id) => this.store.end(id)));
    const ended = results.flatMap((result) => ('value' in result ? (result.value ?? []) : []));
    // Revocation runs in the background: these sessions are over even if others could not be ended.
    revocations.add(ended, revocation);
    // No session uses the tokens of the connected accounts any more: they are always revoked.
    revocations.add(
      ended.flatMap((session) => allAccounts(session).slice(1)),
      'always',
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return ended.length;
  }

  #revocations(): Revocations {
    return new Revocations((session, revocation) => this.#revoke(session, revocation));
  }

  async #revoke(account: Session, revocation: Revocation): Promise<void> {
    const provider = this.providers.ofAccount(account);
    if (!provider) return; // no longer configured
    const { tokens } = account;
    const scopes = tokens.scope?.split(' ') ?? provider.options.scopes;
    if (revocation === 'withoutOfflineAccess' && scopes.includes('offline_access')) return;
    try {
      await revokeTokens(provider, tokens);
    } catch (error) {
      this.#logger.warn({ msg: 'revocation failed', provider: provider.id, err: error });
    }
  }
}

function idOf({ session }: { readonly session: Pick<Session, 'id'> }): string {
  return session.id;
}

/** Orders by age, oldest first, and identically on every replica. */
function byAge({ session: one }: SeenSession, { session: other }: SeenSession): number {
  return one.createdAt - other.createdAt || (one.id < other.id ? -1 : 1);
}

/** Checks that the account itself belongs to the group. */
function belongsTo(account: Session, group: SessionGroup): boolean {
  const { issuer, clientId } = account;
  if (issuer !== group.issuer || !group.clientIds.includes(clientId)) return false;
  return 'sub' in group ? account.sub === group.sub : account.sid === group.sid;
}

/** The accounts of a session that belong to the group. */
function accountsIn(session: Session, group: SessionGroup): Session[] {
  return allAccounts(session).filter((account) => belongsTo(account, group));
}

function isOwnedBy({ issuer, sub }: Session, subject: Subject): boolean {
  return issuer === subject.issuer && sub === subject.sub;
}
