import { BffError } from '../../errors.ts';
import type { LoginSecrets } from '../../oauth/login/login-secrets.ts';
import type { AccountProvider } from '../../oauth/provider-registry.ts';
import type { Clock } from '../../clock.ts';
import type { KeyValueStore } from './key-value-store.ts';
import { recordNameOf, type SealedRecords } from './sealed-records.ts';

/** The time limit from the authorization request to its callback, in milliseconds. */
export const pendingLoginLifetime = 10 * 60 * 1000;

/**
 * How much longer than its record a slot lives, in milliseconds. Redis may execute the commands for
 * the two at different times, but every record must have a slot.
 */
const slack = 2000;

/** A login that is waiting for the callback of the authorization server. */
export interface PendingLogin extends AccountProvider {
  readonly secrets: LoginSecrets;
  /** The return URL as received, which is shorter than its percent-encoded form. */
  readonly returnUrl: string;
  /**
   * The id of the session that existed when the login began. It ends when the new session exists.
   */
  readonly replaces?: string;
  /**
   * The id of the session to connect an account to. Optional: without it, the login begins a
   * session.
   */
  readonly connects?: string;
  /**
   * The authorization request of a client of our own that the user signs in for. Optional: without
   * it, the login is one for this browser.
   */
  readonly authorizes?: string;
}

/** A slot for one record. Slots limit the pending logins of all replicas. */
export interface LoginSlot {
  /** The name of the record. */
  readonly name: string;
  /** When the slot was taken, in epoch milliseconds. The lifetime of the record starts here. */
  readonly takenAt: number;
}

/** The key under which pending logins are counted, and their maximum number on all replicas. */
export interface LoginSlots {
  readonly store: KeyValueStore;
  readonly key: string;
  readonly most: number;
}

/**
 * Stores one record for each pending login, so that any number of tabs can sign in at once. The
 * name of a record contains its state *and* the binding in the login cookie: another browser can
 * neither find it nor use it up (RFC 9700 §4.7). The number of records is limited by slots, so
 * that requests without a session cannot fill Redis.
 */
export class PendingLogins {
  constructor(
    private readonly records: SealedRecords,
    private readonly slots: LoginSlots,
    private readonly clock: Clock,
  ) {}

  /** Takes a slot for a login that is about to start. Throws `rate_limited` if none is free. */
  async takeSlot(binding: string, state: string): Promise<LoginSlot> {
    const { store, key, most } = this.slots;
    const slot = { name: nameOfRecord(state, binding), takenAt: this.clock() };
    if (await store.takeSlot(key, slot.name, most, pendingLoginLifetime + slack)) return slot;
    throw new BffError('rate_limited', { cause: new Error(`${most} logins are pending`) });
  }

  /** Frees a slot that has no record. If that fails, the slot expires after ten minutes. */
  async freeSlot({ name }: Pick<LoginSlot, 'name'>): Promise<void> {
    const { store, key } = this.slots;
    await store.freeSlot(key, name).catch(() => undefined);
  }

  /** Stores a login in its slot. */
  async put({ name, takenAt }: LoginSlot, login: PendingLogin): Promise<void> {
    // A request to the provider may have taken time since.
    const lifetime = pendingLoginLifetime - (this.clock() - takenAt);
    await this.records.create(name, JSON.stringify(login), lifetime);
  }

  /**
   * Returns the login and removes it, so that only one of several callbacks gets it. Frees its
   * slot.
   */
  async take(binding: string, state: string): Promise<PendingLogin | undefined> {
    const name = nameOfRecord(state, binding);
    const [text] = await Promise.all([this.records.take(name), this.freeSlot({ name })]);
    return text === undefined ? undefined : (JSON.parse(text) as PendingLogin);
  }

  /** The time by the store's clock, in epoch milliseconds. */
  async storeTime(): Promise<number> {
    return this.records.storeTime();
  }
}

function nameOfRecord(state: string, binding: string): string {
  return recordNameOf(JSON.stringify([state, binding]));
}
