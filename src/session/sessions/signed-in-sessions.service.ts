import { Inject, Injectable, Logger } from '@nestjs/common';
import { revokeTokens } from '../../oauth/logout/end-session.ts';
import { Providers } from '../../oauth/providers.ts';
import { removeConnection } from './linking.ts';
import { everywhere } from './linked-accounts.ts';
import { type Revocation, Revocations } from './revocations.ts';
import { type SeenSession, seenSession } from './session-entry.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import { type SessionGroup, SessionIndex } from './session-index.ts';
import { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** A session, and when it was last used, in epoch milliseconds; in steps of up to a minute. */
interface ReadSession {
  readonly session: Session;
  readonly lastSeenAt: number;
}

/** Whose sessions are meant: a subject is unique at its issuer only (OIDC Core §5.7). */
export interface Subject {
  readonly issuer: string;
  readonly sub: string;
}

/** The maximum number of sessions that are ended concurrently. */
const endsAtOnce = 100;

/**
 * All sessions of somebody, on whatever device: to see them and to end them. Whoever is ended here
 * is signed out on every replica when the promise resolves. Everything throws
 * `session_store_unavailable`.
 */
@Injectable()
export class SignedInSessionsService {
  readonly #logger = new Logger(SignedInSessionsService.name);

  constructor(
    private readonly store: SessionStore,
    private readonly index: SessionIndex,
    private readonly providers: Providers,
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
  ) {}

  /** The live sessions of a subject at all clients of its issuer, oldest first. */
  async list(subject: Subject): Promise<SeenSession[]> {
    const group = this.#groupOf(subject);
    const found = new Map<string, SeenSession>();
    for await (const members of this.#portionsOf(group)) {
      const own = members.filter(({ session }) => isIn(session, group));
      for (const { session, lastSeenAt } of own)
        found.set(session.id, seenSession(session, lastSeenAt));
    }
    return [...found.values()].toSorted(byAge);
  }

  /** The distinct `sub` values of the sessions and connected accounts in a group. */
  async subjectsOf(group: SessionGroup): Promise<string[]> {
    const subjects = new Set<string>();
    for await (const members of this.#portionsOf(group))
      for (const { session } of members)
        for (const { sub } of accountsIn(session, group)) subjects.add(sub);
    return [...subjects];
  }

  /**
   * Iterates over the sessions of a group, and those connected to an account in it, page by page.
   */
  async *#portionsOf(group: SessionGroup): AsyncGenerator<readonly ReadSession[]> {
    for await (const ids of this.index.portionsOf(group)) {
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
   * Ends one session and revokes its tokens. Absent: there is none of this id, or it is not the
   * subject's.
   */
  async end(id: string, owner?: Subject): Promise<Session | undefined> {
    const session = await this.store.read(id);
    if (!session || (owner && !isOf(session, owner))) return undefined;
    const ended = await this.store.end(id);
    if (ended) this.#revocations().add(everywhere(ended), 'always');
    return ended;
  }

  /** Ends all sessions of a subject but one, if one is named, and says how many those were. */
  async endAll(subject: Subject, except?: string): Promise<number> {
    const group = this.#groupOf(subject);
    const revocations = this.#revocations();
    let ended = 0;
    for await (const members of this.#portionsOf(group)) {
      const ids = members.filter(({ session }) => isIn(session, group)).map(idOf);
      ended += await this.#endEach(
        ids.filter((id) => id !== except),
        'always',
        revocations,
      );
    }
    return ended;
  }

  /**
   * Ends a whole group, and whoever is about to sign in to it: a sign-in under way will not become
   * a session. Sessions that are only connected with an account of the group lose that account.
   * Says how many sessions were ended.
   */
  async endGroup(group: SessionGroup, revocation: Revocation): Promise<number> {
    await this.index.revokeBefore(group);
    const revocations = this.#revocations();
    let ended = 0;
    for await (const members of this.#portionsOf(group)) {
      const own = members.filter(({ session }) => isIn(session, group));
      ended += await this.#endEach(own.map(idOf), revocation, revocations);
      const others = members.filter((seen) => !own.includes(seen));
      await this.#disconnectEach(others, group, revocation, revocations);
    }
    return ended;
  }

  /**
   * Ends the oldest sessions of a subject with more than `session.maxPerUser`, after one has begun.
   * Sign-ins at the same moment, wherever, end the same ones, so that as many stay as may; the
   * newest is then the last to begin, whoever asks.
   */
  async keepWithinLimit(newest: Session): Promise<void> {
    const { maxPerUser } = this.options.session;
    if (maxPerUser === 0) return;
    const group = this.#groupOf(newest);
    if ((await this.index.countOf(group)) <= maxPerUser) return;
    const sessions = await this.list(newest);
    const oldest = sessions.slice(0, Math.max(0, sessions.length - maxPerUser)).map(idOf);
    const revocations = this.#revocations();
    for (let next = 0; next < oldest.length; next += endsAtOnce)
      await this.#endEach(oldest.slice(next, next + endsAtOnce), 'always', revocations);
  }

  /** Only the listed fields: `subject` may be a whole session, which also has a `sid`. */
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
    const answers = await Promise.allSettled(ids.map((id) => this.store.end(id)));
    const ended = answers.flatMap((answer) => ('value' in answer ? (answer.value ?? []) : []));
    // Nobody waits for the provider: here the sessions are over already, even if others could not
    // be ended.
    revocations.add(ended, revocation);
    // Nobody is left to use what other providers have given, whatever the rule is for this one.
    revocations.add(
      ended.flatMap((session) => everywhere(session).slice(1)),
      'always',
    );
    for (const answer of answers) if (answer.status === 'rejected') throw answer.reason;
    return ended.length;
  }

  #revocations(): Revocations {
    return new Revocations((session, revocation) => this.#revoke(session, revocation));
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

function idOf({ session }: { readonly session: Pick<Session, 'id'> }): string {
  return session.id;
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
