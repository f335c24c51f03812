import { Injectable, Logger } from '@nestjs/common';
import { revokeAccessToken, revokeTokens } from '../../oauth/logout/end-session.ts';
import { ProviderRegistry } from '../../oauth/provider-registry.ts';
import type { SignIn } from '../../oauth/login/sign-in.ts';
import {
  addConnection,
  type NewConnection,
  removeConnection,
  type SessionStorage,
} from './linking.ts';
import { connectionOf, allAccounts, type Granted, mayShareGrant } from './linked-accounts.ts';
import { SessionIndex } from './session-index.ts';
import { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/**
 * The session and provider of a connection in progress, and its start by the store's clock, in
 * epoch milliseconds.
 */
export interface LinkRequest {
  readonly id: string;
  readonly provider: string;
  readonly begunAt: number;
}

/** Connects and disconnects accounts at further providers in a session. */
@Injectable()
export class LinkedAccountsService {
  readonly #logger = new Logger(LinkedAccountsService.name);
  readonly #storage: SessionStorage;

  constructor(
    store: SessionStore,
    index: SessionIndex,
    private readonly providers: ProviderRegistry,
  ) {
    this.#storage = { store, index };
  }

  /**
   * Connects an account and revokes the tokens of the account it replaces. Throws
   * `session_mismatch` or `login_expired`, and then revokes the tokens of the sign-in.
   */
  async connect({ id, provider, begunAt }: LinkRequest, signIn: SignIn): Promise<void> {
    const connection = connectionOf(signIn);
    try {
      const replaced = await addConnection(this.#storage, { id, provider, connection, begunAt });
      if (replaced) void this.#revoke(replaced, [{ ...connection, provider }]);
    } catch (error) {
      void this.#revoke({ ...connection, provider });
      throw error;
    }
  }

  /**
   * Disconnects an account and revokes its tokens in the background. Returns `false` if there is
   * none.
   */
  async disconnect(id: string, provider: string): Promise<boolean> {
    const removed = await removeConnection(this.#storage, id, provider);
    if (removed) void this.#revoke(removed);
    return removed !== undefined;
  }

  /**
   * Moves the connected accounts of ended sessions to the session that replaces them, if both have
   * the same user, so that a step-up does not disconnect accounts. Revokes all other tokens in the
   * background.
   */
  async carryOver(ended: readonly Session[], to: Session): Promise<void> {
    const kept: Granted[] = [to];
    const lost: Granted[] = [];
    for (const session of ended) {
      const [own = session, ...connected] = allAccounts(session);
      const isSameUser = session.issuer === to.issuer && session.sub === to.sub;
      lost.push(own, ...(isSameUser ? [] : connected));
      for (const { provider } of isSameUser ? connected : []) {
        const connection = session.connections?.[provider];
        if (!connection) continue;
        const isKept = await this.#carry({ id: to.id, provider, connection, begunAt: to.begunAt });
        (isKept ? kept : lost).push({ ...connection, provider });
      }
    }
    for (const account of lost) void this.#revoke(account, kept);
  }

  /**
   * Revokes the tokens of a sign-in that is refused, in the background. Accounts of the sessions
   * with the ids in `beside` keep theirs: revoking a shared grant would end them.
   */
  discard(signIn: SignIn, provider: string, beside: ReadonlySet<string>): void {
    void this.#discard({ ...connectionOf(signIn), provider }, beside);
  }

  async #discard(account: Granted, beside: ReadonlySet<string>): Promise<void> {
    try {
      const found = await Promise.all([...beside].map((id) => this.#storage.store.read(id)));
      await this.#revoke(
        account,
        found.flatMap((session) => (session ? allAccounts(session) : [])),
      );
    } catch (error) {
      this.#logger.warn({ msg: 'revocation failed', provider: account.provider, err: error });
    }
  }

  /**
   * Returns whether the account was moved. A failure does not fail the sign-in: a route that needs
   * the account asks the user to connect it again.
   */
  async #carry(connection: NewConnection): Promise<boolean> {
    try {
      const replaced = await addConnection(this.#storage, connection);
      const { provider } = connection;
      if (replaced) void this.#revoke(replaced, [{ ...connection.connection, provider }]);
      return true;
    } catch (error) {
      this.#logger.warn({
        msg: 'account not carried over',
        provider: connection.provider,
        err: error,
      });
      return false;
    }
  }

  /**
   * Revokes the tokens of an account. Revokes only the access token if revoking more would end the
   * tokens of a `kept` account. Failures are logged.
   */
  async #revoke(account: Granted, kept: readonly Granted[] = []): Promise<void> {
    const provider = this.providers.ofAccount(account);
    if (!provider) return; // no longer configured
    const { tokens } = account;
    const siblings = kept.filter((other) => mayShareGrant(account, other));
    // Some providers issue the same access token again.
    if (siblings.some((other) => other.tokens.accessToken === tokens.accessToken)) return;
    try {
      await (siblings.length > 0 ? revokeAccessToken : revokeTokens)(provider, tokens);
    } catch (error) {
      this.#logger.warn({ msg: 'revocation failed', provider: provider.id, err: error });
    }
  }
}
