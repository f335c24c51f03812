import { Inject, Injectable, Logger } from '@nestjs/common';
import { revokeTokens } from '../oauth/logout.ts';
import { Providers } from '../oauth/providers.ts';
import { removeConnection } from './connecting.ts';
import { everywhere } from './connections.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session-options.ts';
import { type SessionGroup, SessionIndex } from './session-index.ts';
import { SessionStore } from './session-store.ts';
import { endOf, type Session } from './session.ts';

/** A session, and when it was last used, in epoch milliseconds; in steps of up to a minute. */
export interface SeenSession {
  readonly session: Session;
  readonly lastSeenAt: number;
}

/** A session as its user and the operator see it. Times are ISO 8601. */
export interface SessionEntry {
  readonly id: string;
  /** Whether it is the session of who asks. */
  readonly current: boolean;
  readonly provider: string;
  readonly createdAt: string;
  readonly lastSeenAt: string;
  readonly expiresAt: string;
  /** As the browser called itself at the sign-in. `null`: it sent no name. */
  readonly userAgent: string | null;
}

/** Nothing of a session but what helps to recognise it. Without a `currentId` nobody asks from one of the sessions. */
export function sessionEntry(
  { session, lastSeenAt }: SeenSession,
  currentId?: string,
): SessionEntry {
  const { id, provider, createdAt, userAgent = null } = session;
  return {
    id,
    current: id === currentId,
    provider,
    createdAt: new Date(createdAt).toISOString(),
    lastSeenAt: new Date(lastSeenAt).toISOString(),
    expiresAt: new Date(endOf(session)).toISOString(),
    userAgent,
  };
}

/** Whose sessions are meant: a subject is unique at its issuer only (OIDC Core §5.7). */
export interface Subject {
  readonly issuer: string;
  readonly sub: string;
}

const revocationsAtOnce = 10;

/** Which refresh tokens end with a session; `withoutOfflineAccess` is the rule of OIDC Back-Channel Logout §2.7. */
export type Revocation = 'always' | 'withoutOfflineAccess';

/**
 * All sessions of somebody, on whatever device: to see them and to end them. Whoever is ended here is signed out on every
 * replica when the promise resolves. Everything throws `session_store_unavailable`.
 */
@Injectable()
export class SignedInSessions {
  readonly #logger = new Logger(SignedInSessions.name);

  constructor(
    private readonly store: SessionStore,
    private readonly index: SessionIndex,
    private readonly providers: Providers,
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
  ) {}

  /** The sessions of a subject that live, at whichever client of its issuer, the oldest first. */
  async list(subject: Subject): Promise<SeenSession[]> {
    const group = this.#groupOf(subject);
    const members = await this.#members(group);
    return members.filter(({ session }) => isIn(session, group)).toSorted(byAge);
  }

  /** Whose sessions and connected accounts a group has, by `sub`. */
  async subjectsOf(group: SessionGroup): Promise<string[]> {
    const members = await this.#members(group);
    return members.flatMap(({ session }) => accountsIn(session, group).map(({ sub }) => sub));
  }

  /** Also those that are only connected with an account of the group. */
  async #members(group: SessionGroup): Promise<SeenSession[]> {
    const ids = await this.index.idsOf(group);
    const read = ids.map(async (id) => {
      const session = await this.store.read(id);
      const lastSeenAt = session && (await this.store.lastUse(session));
      return session && lastSeenAt !== undefined ? [{ session, lastSeenAt }] : [];
    });
    return (await Promise.all(read)).flat();
  }

  /** Ends one session and revokes its tokens. Absent: there is none of this id, or it is not the subject's. */
  async end(id: string, owner?: Subject): Promise<Session | undefined> {
    const session = await this.store.read(id);
    if (!session || (owner && !isOf(session, owner))) return undefined;
    const ended = await this.store.end(id);
    if (ended) void this.#revokeEach(everywhere(ended), 'always');
    return ended;
  }

  /** Ends all sessions of a subject but one, if one is named, and says how many those were. */
  async endAll(subject: Subject, except?: string): Promise<number> {
    const sessions = await this.list(subject);
    const others = sessions.filter(({ session }) => session.id !== except);
    return this.#endEach(others, 'always');
  }

  /**
   * Ends a whole group, and whoever is about to sign in to it: a sign-in under way will not become a session. Sessions that
   * are only connected with an account of the group lose that account. Says how many sessions were ended.
   */
  async endGroup(group: SessionGroup, revocation: Revocation): Promise<number> {
    await this.index.close(group);
    const members = await this.#members(group);
    const own = members.filter(({ session }) => isIn(session, group));
    const ended = await this.#endEach(own, revocation);
    const others = members.filter((seen) => !own.includes(seen));
    await this.#disconnectEach(others, group, revocation);
    return ended;
  }

  /**
   * Ends the oldest sessions of a subject with more than `session.maxPerUser`, after one has begun. Sign-ins at the same
   * moment, wherever, end the same ones, so that as many stay as may; the newest is then the last to begin, whoever asks.
   */
  async keepWithinLimit(newest: Session): Promise<void> {
    const { maxPerUser } = this.options.session;
    if (maxPerUser === 0) return;
    const sessions = await this.list(newest);
    await this.#endEach(sessions.slice(0, Math.max(0, sessions.length - maxPerUser)), 'always');
  }

  /** Nothing but the names: a session has a `sid` as well. */
  #groupOf({ issuer, sub }: Subject): SessionGroup {
    return { issuer, clientIds: this.providers.clientIdsOf(issuer), sub };
  }

  async #disconnectEach(
    sessions: readonly SeenSession[],
    group: SessionGroup,
    revocation: Revocation,
  ): Promise<void> {
    const { store, index } = this;
    const accounts = sessions.flatMap(({ session }) => accountsIn(session, group));
    const removals = accounts.map(({ id, provider }) =>
      removeConnection({ store, index }, id, provider),
    );
    const removed = (await Promise.all(removals)).filter((account) => account !== undefined);
    void this.#revokeEach(removed, revocation);
  }

  async #endEach(sessions: readonly SeenSession[], revocation: Revocation): Promise<number> {
    const answers = await Promise.allSettled(
      sessions.map(({ session }) => this.store.end(session.id)),
    );
    const ended = answers.flatMap((answer) => ('value' in answer ? (answer.value ?? []) : []));
    // Nobody waits for the provider: here the sessions are over already, even if others could not be ended.
    void this.#revokeEach(ended, revocation);
    // Nobody is left to use what other providers have given, whatever the rule is for this one.
    void this.#revokeEach(
      ended.flatMap((session) => everywhere(session).slice(1)),
      'always',
    );
    for (const answer of answers) if (answer.status === 'rejected') throw answer.reason;
    return ended.length;
  }

  /** A few at a time, however many there are: the provider has other people to serve. */
  async #revokeEach(sessions: readonly Session[], revocation: Revocation): Promise<void> {
    for (let next = 0; next < sessions.length; next += revocationsAtOnce) {
      const few = sessions.slice(next, next + revocationsAtOnce);
      await Promise.all(few.map((session) => this.#revoke(session, revocation)));
    }
  }

  async #revoke(account: Session, revocation: Revocation): Promise<void> {
    const provider = this.providers.ofAccount(account);
    if (!provider) return; // not in the configuration any more
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

/** The oldest first, and in the same order on every replica. */
function byAge({ session: one }: SeenSession, { session: other }: SeenSession): number {
  return one.createdAt - other.createdAt || (one.id < other.id ? -1 : 1);
}

/** Whether it is a session at the provider itself. */
function isIn(account: Session, group: SessionGroup): boolean {
  const { issuer, clientId } = account;
  if (issuer !== group.issuer || !group.clientIds.includes(clientId)) return false;
  return 'sub' in group ? account.sub === group.sub : account.sid === group.sid;
}

/** The accounts of a session that a group is about. */
function accountsIn(session: Session, group: SessionGroup): Session[] {
  return everywhere(session).filter((account) => isIn(account, group));
}

function isOf({ issuer, sub }: Session, subject: Subject): boolean {
  return issuer === subject.issuer && sub === subject.sub;
}
