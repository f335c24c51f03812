import { Injectable, Logger } from '@nestjs/common';
import { revokeTokens } from '../oauth/logout.ts';
import { type AccountProvider, Providers } from '../oauth/providers.ts';
import type { SignIn } from '../oauth/login.ts';
import { addConnection, removeConnection, type SessionPlaces } from './connecting.ts';
import { connectionOf } from './connections.ts';
import { SessionIndex } from './session-index.ts';
import { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** Which session is to be connected with a provider, and since when that is under way, in epoch milliseconds. */
export interface Connecting {
  readonly id: string;
  readonly provider: string;
  readonly begunAt: number;
}

/** Accounts at further providers: whoever is signed in may have some, in the same session. */
@Injectable()
export class Connections {
  readonly #logger = new Logger(Connections.name);
  readonly #places: SessionPlaces;

  constructor(
    store: SessionStore,
    index: SessionIndex,
    private readonly providers: Providers,
  ) {
    this.#places = { store, index };
  }

  /** Throws `session_mismatch` or `login_expired`; the tokens of the sign-in are revoked then, as are those it replaces. */
  async connect({ id, provider, begunAt }: Connecting, signIn: SignIn): Promise<void> {
    const connection = connectionOf(signIn);
    try {
      const replaced = await addConnection(this.#places, { id, provider, connection, begunAt });
      if (replaced) void this.#revoke(replaced);
    } catch (error) {
      void this.#revoke({ ...connection, provider });
      throw error;
    }
  }

  /** `false` if there was nothing to disconnect. Tokens are revoked behind it: nobody waits for the provider. */
  async disconnect(id: string, provider: string): Promise<boolean> {
    const removed = await removeConnection(this.#places, id, provider);
    if (removed) void this.#revoke(removed);
    return removed !== undefined;
  }

  /**
   * Lets the accounts of a session that has just ended go on in the one that takes its place, if that is the same user's: a
   * stronger sign-in is no reason to connect everything anew. `since` is a time at which the old session still was.
   */
  async carryOver(ended: Session | undefined, to: Session, since: number): Promise<void> {
    const isSameUser = ended?.issuer === to.issuer && ended.sub === to.sub;
    if (!ended?.connections || !isSameUser) return;
    for (const [provider, connection] of Object.entries(ended.connections)) {
      const added = { id: to.id, provider, connection, begunAt: since };
      try {
        await addConnection(this.#places, added);
      } catch (error) {
        // The sign-in is done. An account that is lost on the way is asked for again by the route that needs it.
        this.#logger.warn({ msg: 'account not carried over', provider, err: error });
      }
    }
  }

  async #revoke(account: AccountProvider & Pick<Session, 'tokens'>): Promise<void> {
    const provider = this.providers.ofAccount(account);
    if (!provider) return; // not in the configuration any more
    try {
      await revokeTokens(provider, account.tokens);
    } catch (error) {
      this.#logger.warn({ msg: 'revocation failed', provider: provider.id, err: error });
    }
  }
}
