import type { AdapterPayload } from 'oidc-provider';
import { BffError } from '../../errors.ts';
import type { LoginSlots } from '../../session/store/pending-logins.ts';
import {
  recordNameOf,
  type SealedRecord,
  type SealedRecords,
} from '../../session/store/sealed-records.ts';

/**
 * How long an authorization request, a device code and the form for one live, in seconds. All have
 * the same time, because slots of one key must have the same.
 */
export const anonymousLifetime = 600;

/** How much longer than its record a slot lives, in milliseconds. */
const slack = 2000;

/** A record of the library as it was read. */
export interface StoredPayload {
  readonly payload: AdapterPayload;
  readonly record: SealedRecord;
}

/**
 * Stores what the library remembers: authorization requests, codes, refresh tokens. Names are
 * hashed, because the library names a record by the value of its token.
 */
export class LibraryRecords {
  constructor(
    private readonly records: SealedRecords,
    private readonly slots: LoginSlots,
  ) {}

  /** Reads a record. `undefined` if it does not exist or has expired. */
  async read(kind: string, id: string): Promise<StoredPayload | undefined> {
    const record = await this.records.read(nameOf(kind, id));
    return record && { record, payload: JSON.parse(record.text) as AdapterPayload };
  }

  /** Creates a record for some seconds. Returns `false` if it exists already. */
  async create(kind: string, id: string, payload: object, seconds: number): Promise<boolean> {
    return this.records.create(nameOf(kind, id), JSON.stringify(payload), seconds * 1000);
  }

  /** Replaces a record. Returns `false` if it was changed since it was read. */
  async replace(
    kind: string,
    id: string,
    { record }: StoredPayload,
    payload: object,
  ): Promise<boolean> {
    return this.records.replace(nameOf(kind, id), record, JSON.stringify(payload));
  }

  async remove(kind: string, id: string): Promise<void> {
    await this.records.remove(nameOf(kind, id));
  }

  /**
   * Takes a slot for a record that an anonymous request creates, so that such requests cannot fill
   * the store. Throws `rate_limited` if none is free.
   */
  async takeSlot(kind: string, id: string): Promise<void> {
    const { store, key, most } = this.slots;
    const lifetime = anonymousLifetime * 1000 + slack;
    if (await store.takeSlot(key, nameOf(kind, id), most, lifetime)) return;
    const cause = new Error(`${most} authorization requests of clients are pending`);
    throw new BffError('rate_limited', { cause });
  }

  /** Takes one of `most` guesses of a name, for ten minutes. Returns `false` if none is left. */
  async takeGuess(name: string, guess: string, most: number): Promise<boolean> {
    const { store } = this.slots;
    return store.takeSlot(this.#guessKey(name), guess, most, anonymousLifetime * 1000);
  }

  async freeGuess(name: string, guess: string): Promise<void> {
    await this.slots.store.freeSlot(this.#guessKey(name), guess);
  }

  #guessKey(name: string): string {
    return `${this.slots.key}:{${recordNameOf(name)}}`;
  }
}

function nameOf(kind: string, id: string): string {
  return recordNameOf(JSON.stringify([kind, id]));
}
