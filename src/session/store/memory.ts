import type { Clock } from '../../clock.ts';
import type { Fence, KeyValueStore, ListEntry, Portion, SeenAt } from './key-value-store.ts';

interface Entry {
  readonly value: string;
  readonly expiresAt: number;
}

interface List {
  /** The time each member was last seen, in epoch milliseconds. */
  readonly members: Map<string, number>;
  readonly expiresAt: number;
}

/** Expired entries are removed once per this many writes. */
const writesBetweenSweeps = 1000;

/**
 * A store in the memory of this process, for development, the demo and tests. It is not shared with
 * other replicas and is empty after a restart.
 */
export class MemoryKeyValueStore implements KeyValueStore {
  readonly #entries = new Map<string, Entry>();
  readonly #lists = new Map<string, List>();
  /** The expiry times of members with a place, by key. Ordered by expiry. */
  readonly #places = new Map<string, Map<string, number>>();
  #writes = 0;

  constructor(private readonly clock: Clock = Date.now) {}

  async get(key: string): Promise<string | undefined> {
    return this.#living(key)?.value;
  }

  async create(key: string, value: string, ttlMilliseconds: number): Promise<boolean> {
    if (this.#living(key)) return false;
    this.#write(key, { value, expiresAt: this.clock() + ttlMilliseconds });
    return true;
  }

  async replace(key: string, expected: string, value: string, fence?: Fence): Promise<boolean> {
    const entry = this.#living(key);
    if (entry?.value !== expected) return false;
    if (fence && this.#living(fence.key)?.value !== fence.value) return false;
    this.#write(key, { value, expiresAt: entry.expiresAt });
    return true;
  }

  async take(key: string): Promise<string | undefined> {
    const value = this.#living(key)?.value;
    this.#entries.delete(key);
    return value;
  }

  async touch(key: string, ttlMilliseconds: number): Promise<boolean> {
    const entry = this.#living(key);
    if (!entry) return false;
    this.#write(key, { value: entry.value, expiresAt: this.clock() + ttlMilliseconds });
    return true;
  }

  async getAndTouch(key: string, ttlMilliseconds: number): Promise<string | undefined> {
    await this.touch(key, ttlMilliseconds);
    return this.get(key);
  }

  async extend(key: string, expected: string, ttlMilliseconds: number): Promise<boolean> {
    return this.#living(key)?.value === expected && this.touch(key, ttlMilliseconds);
  }

  async timeToLive(key: string): Promise<number | undefined> {
    const entry = this.#living(key);
    return entry && entry.expiresAt - this.clock();
  }

  async remove(key: string): Promise<boolean> {
    const existed = this.#living(key) !== undefined;
    this.#entries.delete(key);
    return existed;
  }

  async removeIf(key: string, expected: string): Promise<boolean> {
    return this.#living(key)?.value === expected && this.#entries.delete(key);
  }

  async time(): Promise<number> {
    return this.clock();
  }

  async addMember(
    list: string,
    member: string,
    { since, ...times }: SeenAt & { readonly since: number },
  ): Promise<boolean> {
    if (this.#isClosed(list, since)) return false;
    this.#renew(list, member, times);
    return true;
  }

  async hasMember(list: string, member: string, since: number): Promise<boolean> {
    return !this.#isClosed(list, since) && this.#membersOf(list).has(member);
  }

  async renewMember(list: string, member: string, times: SeenAt): Promise<void> {
    if (this.#membersOf(list).has(member)) this.#renew(list, member, times);
  }

  async removeMember(list: string, member: string): Promise<void> {
    const members = this.#membersOf(list);
    members.delete(member);
    if (members.size === 0) this.#lists.delete(list);
  }

  async members(
    list: string,
    staleBefore: number,
    { after, atMost }: Portion,
  ): Promise<ListEntry[]> {
    const living = this.#seenSince(list, staleBefore).toSorted(inOrder);
    const rest = after ? living.filter((entry) => inOrder(entry, after) > 0) : living;
    return rest.slice(0, atMost);
  }

  async countEnlisted(list: string, staleBefore: number): Promise<number> {
    return this.#seenSince(list, staleBefore).length;
  }

  async revokeBefore(list: string, at: number, ttl: number): Promise<void> {
    this.#write(closedKey(list), { value: String(at), expiresAt: this.clock() + ttl });
  }

  async takePlace(places: string, member: string, most: number, ttl: number): Promise<boolean> {
    const taken = this.#places.get(places) ?? new Map<string, number>();
    for (const [each, expiresAt] of taken) {
      if (expiresAt > this.clock()) break;
      taken.delete(each);
    }
    if (taken.size >= most) return false;
    this.#places.set(places, taken.set(member, this.clock() + ttl));
    return true;
  }

  async freePlace(places: string, member: string): Promise<void> {
    this.#places.get(places)?.delete(member);
  }

  /** Does nothing: no other process changes this store. */
  watch(): void {}

  async ping(): Promise<void> {}

  async close(): Promise<void> {
    this.#entries.clear();
    this.#lists.clear();
    this.#places.clear();
  }

  #living(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry && entry.expiresAt > this.clock() ? entry : undefined;
  }

  #isClosed(list: string, since: number): boolean {
    const closedAt = this.#living(closedKey(list))?.value;
    return closedAt !== undefined && Number(closedAt) >= since;
  }

  #membersOf(name: string): Map<string, number> {
    const list = this.#lists.get(name);
    return list && list.expiresAt > this.clock() ? list.members : new Map<string, number>();
  }

  #seenSince(list: string, staleBefore: number): ListEntry[] {
    const entries = [...this.#membersOf(list)].map(([member, at]) => ({ member, at }));
    return entries.filter(({ at }) => at >= staleBefore);
  }

  #renew(list: string, member: string, { at, staleBefore, ttl }: SeenAt): void {
    const living = [...this.#membersOf(list)].filter(([, seenAt]) => seenAt >= staleBefore);
    const members = new Map(living).set(member, at);
    const expiresAt = Math.max(this.#lists.get(list)?.expiresAt ?? 0, this.clock() + ttl);
    this.#lists.set(list, { members, expiresAt });
    this.#sweepSometimes();
  }

  #write(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#sweepSometimes();
  }

  #sweepSometimes(): void {
    this.#writes += 1;
    if (this.#writes % writesBetweenSweeps !== 0) return;
    for (const candidate of this.#entries.keys()) {
      if (!this.#living(candidate)) this.#entries.delete(candidate);
    }
    for (const [name, { expiresAt }] of this.#lists) {
      if (expiresAt <= this.clock()) this.#lists.delete(name);
    }
  }
}

/** Orders by time, then by member, so that the order is total. */
function inOrder(one: ListEntry, other: ListEntry): number {
  return one.at - other.at || Number(one.member > other.member) - Number(one.member < other.member);
}

function closedKey(list: string): string {
  return `${list}:closed`;
}
