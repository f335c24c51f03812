import type { Endpoints } from './endpoints.ts';
import { userIn, type BffUser, type StandardClaims } from './user.ts';

/**
 * Why the state is what it is. `expiring`: the session ends within a minute unless the user is
 * active. `expired` and `signed_out`: how the session ended. `popup_blocked` and `popup_closed`: a
 * pop-up sign-in that did not happen. `network_error`: the BFF did not respond. Everything else is a
 * code of the BFF.
 */
export type BffReason =
  | 'expiring'
  | 'expired'
  | 'signed_out'
  | 'popup_blocked'
  | 'popup_closed'
  | 'network_error'
  | (string & {});

/**
 * Who is signed in. `expiresAt` is the end of the session without further activity, in epoch
 * milliseconds by the clock of this machine. The state is immutable: a change makes a new object.
 */
export type BffState<Claims extends object = StandardClaims> =
  | {
      readonly status: 'loading';
      readonly user?: undefined;
      readonly expiresAt?: undefined;
      readonly reason?: BffReason;
    }
  | {
      readonly status: 'signed-in';
      readonly user: BffUser<Claims>;
      readonly expiresAt: number;
      readonly reason?: BffReason;
    }
  | {
      readonly status: 'signed-out';
      readonly user?: undefined;
      readonly expiresAt?: undefined;
      readonly reason?: BffReason;
    };

/** Milliseconds before its expected end from which a session counts as expired. */
const tolerance = 2000;

/** The state of one client, and the requests that change it. */
export class StateStore<Claims extends object> {
  #state: BffState<Claims> = { status: 'loading' };
  readonly #listeners = new Set<() => void>();
  #requested = 0;
  #applied = 0;
  #loading: Promise<BffUser<Claims> | undefined> | undefined;

  /** When the BFF last said who is signed in, in epoch milliseconds. */
  checkedAt = 0;
  /** Increases with every sign-in that this client hears of. */
  signIns = 0;

  constructor(private readonly endpoints: Endpoints) {}

  /** Returns the state. */
  readonly get = (): BffState<Claims> => this.#state;

  /** Calls the listener after every change. Returns a function that removes it. */
  subscribe(listener: () => void): () => void {
    // A function that is subscribed twice is called twice, and removed one by one.
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** Requests the user, once for all calls at a time, and renews the idle time. */
  readonly user = (): Promise<BffUser<Claims> | undefined> => {
    this.#loading ??= this.load('/user').finally(() => (this.#loading = undefined));
    return this.#loading;
  };

  /** Requests the user without a renewal of the idle time. */
  readonly check = (reason?: BffReason): Promise<BffUser<Claims> | undefined> =>
    this.load('/user?slide=false', 'GET', reason);

  /**
   * Requests the user from an endpoint and updates the state. `reason` explains the result; `active`
   * revokes `expiring`. Rejects with a `BffClientError`; then nothing changes.
   */
  async load(
    path: string,
    method?: string,
    reason?: BffReason,
  ): Promise<BffUser<Claims> | undefined> {
    const turn = (this.#requested += 1);
    const user = userIn<Claims>(await this.endpoints(path, method));
    // A later request may have been faster, and knows better.
    if (turn < this.#applied) return user;
    this.#applied = turn;
    this.checkedAt = Date.now();
    if (user) this.#signIn(user, reason);
    else this.#signOut(reason === 'expiring' || reason === 'active' ? undefined : reason);
    return user;
  }

  /** Sets the state to signed out. Requests that are under way no longer count. */
  end(reason: BffReason): void {
    this.#applied = this.#requested += 1;
    this.#signOut(reason);
  }

  /** Explains why the state is still `loading`. */
  explainLoading(reason: BffReason): void {
    const { status, reason: known } = this.#state;
    if (status === 'loading' && known !== reason) this.#set({ status, reason });
  }

  /** Without a reason, it is concluded from the state before. */
  #signOut(given?: BffReason): void {
    const { status, reason: known, expiresAt } = this.#state;
    const isOut = status === 'signed-out';
    const reason = given ?? (isOut ? known : expiresAt && endReason(expiresAt));
    if (!isOut || reason !== known) this.#set({ status: 'signed-out', ...(reason && { reason }) });
  }

  #signIn(user: BffUser<Claims>, reason?: BffReason): void {
    const { user: known, reason: before } = this.#state;
    const isSame = known?.session.id === user.session.id;
    if (!isSame) this.signIns += 1;
    const isExpiring =
      reason === 'expiring' || (isSame && before === 'expiring' && reason !== 'active');
    const expiresAt = Date.now() + user.session.expiresIn * 1000;
    this.#set({ status: 'signed-in', user, expiresAt, ...(isExpiring && { reason: 'expiring' }) });
  }

  #set(state: BffState<Claims>): void {
    this.#state = state;
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        reportError(error);
      }
    }
  }
}

/** How a session ended of which nothing is known but its expected end. */
function endReason(expiresAt: number): BffReason {
  return Date.now() > expiresAt - tolerance ? 'expired' : 'signed_out';
}
