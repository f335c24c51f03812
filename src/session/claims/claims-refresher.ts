import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';
import type { ClaimSources } from '../../oauth/login/claims.ts';
import { rereadUserInfo } from '../../oauth/login/user-info.ts';
import { revokeTokens } from '../../oauth/logout/end-session.ts';
import type { Provider } from '../../oauth/provider/provider.ts';
import type { ProviderRegistry } from '../../oauth/provider-registry.ts';
import {
  allAccounts,
  isConnection,
  sessionAt,
  withAccount,
  withoutConnection,
} from '../sessions/linked-accounts.ts';
import type { SessionStore, StoredSession } from '../sessions/session-store.ts';
import type { Session } from '../sessions/session.ts';
import { Backoff } from '../tokens/backoff.ts';
import { pollInterval, type RefreshLock } from '../tokens/refresh-lock.ts';
import { type ClaimsPolicy, sourcesOf } from './claims-policy.ts';

/** The source to read again: UserInfo and then the hook, or only the hook. */
type Reading = 'user_info' | 'hook';

/** The result of reading claims again: the account with them, its end, or the failure. */
export type ClaimsOutcome =
  | { readonly kind: 'read'; readonly session: Session }
  | { readonly kind: 'ended'; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: BffError };

/** The collaborators of a `ClaimsRefresher`. */
export interface ClaimsRefresherParts {
  readonly store: SessionStore;
  readonly providers: ProviderRegistry;
  readonly policy: ClaimsPolicy;
  readonly clock: Clock;
  /** `user.refresh`, in milliseconds. Optional: without it, claims are read on request only. */
  readonly interval?: number | undefined;
  /** Called with the outcome of every reading, for logs and metrics. */
  readonly listener: (outcome: ClaimsOutcome, provider: string) => void;
}

/**
 * Reads the claims of accounts again. Only one replica at a time reads those of an account: it
 * holds a lock, without which its write fails. During an outage the claims stay as they are. If the
 * user is refused, or UserInfo is about another user, the session ends. A connected account is only
 * disconnected.
 */
export class ClaimsRefresher {
  readonly #running = new Map<string, Promise<ClaimsOutcome>>();
  readonly #backoff: Backoff;

  constructor(private readonly parts: ClaimsRefresherParts) {
    this.#backoff = new Backoff(parts.clock);
  }

  /** The policy that selects the claims. */
  get policy(): ClaimsPolicy {
    return this.parts.policy;
  }

  /** Resolves when no reading is in progress. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }

  /**
   * Call this for each call of a session. If claims are older than `user.refresh`, they are read
   * again in the background.
   */
  noteCall(session: Session): void {
    if (this.parts.interval === undefined) return;
    this.#renewIfOld(session, this.parts.interval);
    if (!session.connections) return;
    for (const account of allAccounts(session).slice(1))
      this.#renewIfOld(account, this.parts.interval);
  }

  /**
   * Reads the claims of an account again, or waits until another replica has done so. The access
   * token must be valid. Rejects with `session_store_unavailable`.
   */
  refresh(account: Session, reading: Reading): Promise<ClaimsOutcome> {
    const name = [account.id, account.provider, reading].join(' ');
    const running = this.#running.get(name);
    if (running) return running;
    const begun = this.#refresh(account, reading).finally(() => this.#running.delete(name));
    this.#running.set(name, begun);
    return begun;
  }

  #renewIfOld(account: Session, interval: number): void {
    const now = this.parts.clock();
    if (now - readAt(account) < interval) return;
    const { expiresAt = Infinity } = account.tokens;
    if (expiresAt <= now || this.#backoff.failureOf(nameOf(account))) return;
    // In the background: failures are logged, and the next call tries again.
    void this.refresh(account, 'user_info').catch(() => undefined);
  }

  async #refresh(account: Session, reading: Reading): Promise<ClaimsOutcome> {
    const { store } = this.parts;
    const { id, provider } = account;
    for (;;) {
      const lock = await store.lockRefresh(id, `claims:${provider}`);
      try {
        const stored = await store.readStored(id);
        const current = stored && sessionAt(stored.session, provider);
        if (!current) return { kind: 'ended', reason: 'the session is over' };
        const isDone = reading === 'user_info' && readAt(current) !== readAt(account);
        if (isDone) return { kind: 'read', session: current };
        if (lock)
          return await this.#recordOutcome(current, this.#read(stored, current, reading, lock));
      } finally {
        await lock?.release();
      }
      await setTimeout(pollInterval);
    }
  }

  /** Waits for the outcome, passes it to the listener, and begins or ends the backoff. */
  async #recordOutcome(account: Session, work: Promise<ClaimsOutcome>): Promise<ClaimsOutcome> {
    const outcome = await work;
    if (outcome.kind === 'failed') this.#backoff.begin(nameOf(account), outcome.error);
    else this.#backoff.end(nameOf(account));
    this.parts.listener(outcome, account.provider);
    return outcome;
  }

  async #read(
    stored: StoredSession,
    account: Session,
    reading: Reading,
    lock: RefreshLock,
  ): Promise<ClaimsOutcome> {
    const { providers, policy, clock } = this.parts;
    const provider = providers.ofAccount(account);
    if (!provider) return { kind: 'failed', error: new BffError('provider_unavailable') };
    const changes: { -readonly [Name in keyof ClaimSources]?: ClaimSources[Name] } = {};
    try {
      if (reading === 'user_info') {
        const found = await rereadUserInfo(provider, account);
        if (found.kind === 'other_user') return this.#end(account, 'UserInfo has another subject');
        changes.readAt = clock();
        if (!account.tokens.refreshToken) changes.refreshedAt = clock();
        if (found.kind === 'claims') changes.userInfo = found.claims;
        if (found.kind === 'claims') changes.isUserInfoNewer = true;
      }
      const sources = { ...sourcesOf(account), ...changes };
      const claims = await policy.resolve('refresh', provider.id, { ...account, sources });
      if (!policy.admits(claims)) return this.#end(account, 'a rule does not admit the user');
      if (changes.userInfo) changes.userInfo = policy.stored(changes.userInfo);
      return await this.#write(stored, provider, { ...account, claims }, changes, lock);
    } catch (error) {
      if (!(error instanceof BffError) || error.code === 'session_store_unavailable') throw error;
      if (error.code === 'not_allowed') return this.#end(account, 'the hook refused the user');
      return { kind: 'failed', error };
    }
  }

  /** Writes the claims, and repeats it after concurrent changes. Fails if the lock is lost. */
  async #write(
    stored: StoredSession,
    provider: Provider,
    { claims }: Session,
    changes: Partial<ClaimSources>,
    lock: RefreshLock,
  ): Promise<ClaimsOutcome> {
    const { store, policy } = this.parts;
    for (let at = stored; ;) {
      const change = (session: Session) => {
        const account = sessionAt(session, provider.id);
        if (!account) return session;
        const sources = { ...sourcesOf(account), ...changes };
        // The tokens may have been refreshed in the meantime.
        const now = policy.isHooked ? claims : policy.withoutHook({ ...account, sources });
        return withAccount(session, provider.id, { claims: now, sources });
      };
      const written = await store.change(at, change, lock);
      const session = written && sessionAt(written, provider.id);
      if (session) return { kind: 'read', session };
      const next = await store.readStored(stored.session.id);
      if (written || !next) return { kind: 'ended', reason: 'the session is over' };
      if (!(await lock.regain())) return { kind: 'failed', error: new BffError('internal_error') };
      at = next;
    }
  }

  /** Ends the session, or disconnects the account, and revokes the tokens in the background. */
  async #end(account: Session, reason: string): Promise<ClaimsOutcome> {
    const { store } = this.parts;
    if (isConnection(account)) {
      await store.changeNow(account.id, (now) => withoutConnection(now, account.provider));
      this.#revoke([account]);
      return { kind: 'ended', reason: `a connected account: ${reason}` };
    }
    const ended = await store.end(account.id);
    if (ended) this.#revoke(allAccounts(ended));
    return { kind: 'ended', reason };
  }

  #revoke(accounts: readonly Session[]): void {
    for (const account of accounts) {
      const provider = this.parts.providers.ofAccount(account);
      // A failure is ignored: the session has ended.
      if (provider) void revokeTokens(provider, account.tokens).catch(() => undefined);
    }
  }
}

function readAt(account: Session): number {
  return account.sources?.readAt ?? account.createdAt;
}

function nameOf({ id, provider }: Session): string {
  return [id, provider].join(' ');
}
