import type { Clock } from '../../clock.ts';
import type {
  Fence,
  KeyValueStore,
  ListEntry,
  PageRequest,
  MemberTimes,
} from './key-value-store.ts';

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
  /** By key: the members that have a slot and their expiry times, in order of expiry. */
  readonly #slots = new Map<string, Map<string, number>>();
  #writes = 0;

  constructor(private readonly clock: Clock = Date.now) {}

  async get(key: string): Promise<string | undefined> {
    return this.#live(key)?.value;
  }

  async create(key: string, value: string, ttlMilliseconds: number): Promise<boolean> {
    if (this.#live(key)) return false;
    this.#write(key, { value, expiresAt: this.clock() + ttlMilliseconds });
    return true;
  }

  async replace(key: string, expected: string, value: string, fence?: Fence): Promise<boolean> {
    const entry = this.#live(key);
    if (entry?.value !== expected) return false;
    if (fence && this.#live(fence.key)?.value !== fence.value) return false;
    this.#write(key, { value, expiresAt: entry.expiresAt });
    return true;
  }

  async take(key: string): Promise<string | undefined> {
    const value = this.#live(key)?.value;
    this.#entries.delete(key);
    return value;
  }

  async touch(key: string, ttlMilliseconds: number): Promise<boolean> {
    const entry = this.#live(key);
    if (!entry) return false;
    this.#write(key, { value: entry.value, expiresAt: this.clock() + ttlMilliseconds });
    return true;
  }

  async getAndTouch(key: string, ttlMilliseconds: number): Promise<string | undefined> {
    await this.touch(key, ttlMilliseconds);
    return this.get(key);
  }

  async extend(key: string, expected: string, ttlMilliseconds: number): Promise<boolean> {
    return this.#live(key)?.value === expected && this.touch(key, ttlMilliseconds);
  }

  async timeToLive(key: string): Promise<number | undefined> {
    const entry = this.#live(key);
    return entry && entry.expiresAt - this.clock();
  }

  async remove(key: string): Promise<boolean> {
    const existed = this.#live(key) !== undefined;
    this.#entries.delete(key);
    return existed;
  }

  async removeIf(key: string, expected: string): Promise<boolean> {
    return this.#live(key)?.value === expected && this.#entries.delete(key);
  }

  async time(): Promise<number> {
    return this.clock();
  }

  async addMember(
    list: string,
    member: string,
    { since, ...times }: MemberTimes & { readonly since: number },
  ): Promise<boolean> {
    if (this.#isRevoked(list, since)) return false;
    this.#renew(list, member, times);
    return true;
  }

  async hasMember(list: string, member: string, since: number): Promise<boolean> {
    return !this.#isRevoked(list, since) && this.#membersOf(list).has(member);
  }

  async renewMember(list: string, member: string, times: MemberTimes): Promise<void> {
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
    { after, atMost }: PageRequest,
  ): Promise<ListEntry[]> {
    const live = this.#seenSince(list, staleBefore).toSorted(compareEntries);
    const rest = after ? live.filter((entry) => compareEntries(entry, after) > 0) : live;
    return rest.slice(0, atMost);
  }

  async countMembers(list: string, staleBefore: number): Promise<number> {
    return this.#seenSince(list, staleBefore).length;
  }

  async revokeBefore(list: string, at: number, ttl: number): Promise<void> {
    this.#write(revocationKey(list), { value: String(at), expiresAt: this.clock() + ttl });
  }

  async takeSlot(slots: string, member: string, most: number, ttl: number): Promise<boolean> {
    const taken = this.#slots.get(slots) ?? new Map<string, number>();
    for (const [each, expiresAt] of taken) {
      if (expiresAt > this.clock()) break;
      taken.delete(each);
    }
    if (taken.size >= most) return false;
    this.#slots.set(slots, taken.set(member, this.clock() + ttl));
    return true;
  }

  async freeSlot(slots: string, member: string): Promise<void> {
    this.#slots.get(slots)?.delete(member);
  }

  /** Does nothing: no other process changes this store. */
  watch(): void {}

  async ping(): Promise<void> {}

  async close(): Promise<void> {
    this.#entries.clear();
    this.#lists.clear();
    this.#slots.clear();
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry && entry.expiresAt > this.clock() ? entry : undefined;
  }

  #isRevoked(list: string, since: number): boolean {
    const revokedAt = this.#live(revocationKey(list))?.value;
    return revokedAt !== undefined && Number(revokedAt) >= since;
  }

  #membersOf(name: string): Map<string, number> {
    const list = this.#lists.get(name);
    return list && list.expiresAt > this.clock() ? list.members : new Map<string, number>();
  }

  #seenSince(list: string, staleBefore: number): ListEntry[] {
    const entries = [...this.#membersOf(list)].map(([member, at]) => ({ member, at }));
    return entries.filter(({ at }) => at >= staleBefore);
  }

  #renew(list: string, member: string, { at, staleBefore, ttl }: MemberTimes): void {
    const live = [...this.#membersOf(list)].filter(([, seenAt]) => seenAt >= staleBefore);
    const members = new Map(live).set(member, at);
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
      if (!this.#live(candidate)) this.#entries.delete(candidate);
    }
    for (const [name, { expiresAt }] of this.#lists) {
      if (expiresAt <= this.clock()) this.#lists.delete(name);
    }
  }
}

/** Orders by time, then by member, so that the order is total. */
function compareEntries(one: ListEntry, other: ListEntry): number {
  return one.at - other.at || Number(one.member > other.member) - Number(one.member < other.member);
}

function revocationKey(list: string): string {
  return `${list}:closed`;
}
