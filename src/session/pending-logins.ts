import { BffError } from '../errors.ts';
import type { LoginSecrets } from '../oauth/login.ts';
import type { AccountProvider } from '../oauth/providers.ts';
import type { Clock } from './clock.ts';
import type { KeyValueStore } from './key-value-store.ts';
import { recordNameOf, type SealedRecords } from './sealed-records.ts';

/** How long an authorization request may take to come back, in milliseconds. */
export const pendingLoginLifetime = 10 * 60 * 1000;

/** A place outlives its record by this time, in milliseconds: no record must be without one, however slowly Redis answers. */
const slack = 2000;

/** A login that has left for the authorization server and has not come back. */
export interface PendingLogin extends AccountProvider {
  readonly secrets: LoginSecrets;
  /** As it was sent: it is shorter than its percent-encoded form. */
  readonly returnUrl: string;
  /** The id of the session that was there when the login began; it ends when the new one exists. */
  readonly replaces?: string;
  /** The id of the session that gets an account at this provider. Absent: the login begins a session. */
  readonly connects?: string;
}

/** A place among the pending logins of all replicas, for one record. */
export interface LoginPlace {
  /** The name of the record. */
  readonly name: string;
  /** When the place was asked for, in epoch milliseconds. The record ends with it. */
  readonly takenAt: number;
}

/** Where pending logins are counted, and how many there may be on all replicas together. */
export interface LoginPlaces {
  readonly store: KeyValueStore;
  readonly key: string;
  readonly most: number;
}

/**
 * Logins under way, one record each, so that any number of tabs can sign in at once. A record is named by its state *and*
 * the binding in the login cookie: another browser cannot even find it, let alone use it up (RFC 9700 §4.7). Every record
 * has a place, and places are limited, so that requests without a session cannot fill Redis.
 */
export class PendingLogins {
  constructor(
    private readonly records: SealedRecords,
    private readonly places: LoginPlaces,
    private readonly clock: Clock,
  ) {}

  /** Takes a place for a login that is about to begin. Throws `rate_limited` when as many are pending as may be. */
  async takePlace(binding: string, state: string): Promise<LoginPlace> {
    const { store, key, most } = this.places;
    const place = { name: recordName(state, binding), takenAt: this.clock() };
    if (await store.takePlace(key, place.name, most, pendingLoginLifetime + slack)) return place;
    throw new BffError('rate_limited', { cause: new Error(`${most} logins are pending`) });
  }

  /** Gives back a place for which there is no record. One that cannot be given back is free in ten minutes. */
  async freePlace({ name }: Pick<LoginPlace, 'name'>): Promise<void> {
    const { store, key } = this.places;
    await store.freePlace(key, name).catch(() => undefined);
  }

  /** Keeps a login in the place that was taken for its state. */
  async put({ name, takenAt }: LoginPlace, login: PendingLogin): Promise<void> {
    // The provider may have been asked in between.
    const lifetime = pendingLoginLifetime - (this.clock() - takenAt);
    await this.records.create(name, JSON.stringify(login), lifetime);
  }

  /** The login, once: of any number of callbacks with the same state, one gets it. Its place is free again. */
  async take(binding: string, state: string): Promise<PendingLogin | undefined> {
    const name = recordName(state, binding);
    const [text] = await Promise.all([this.records.take(name), this.freePlace({ name })]);
    return text === undefined ? undefined : (JSON.parse(text) as PendingLogin);
  }

  /** The time by the clock of the store, in epoch milliseconds. */
  async storeTime(): Promise<number> {
    return this.records.storeTime();
  }
}

function recordName(state: string, binding: string): string {
  return recordNameOf(JSON.stringify([state, binding]));
}
