import { ErrorReply } from 'redis';
import type { RedisOptions } from '../../../config/options.ts';
import type {
  Fence,
  KeyValueStore,
  KeyWatcher,
  ListEntry,
  PageRequest,
  MemberTimes,
} from '../key-value-store.ts';
import { type ConnectionListener, RedisConnection } from './connection.ts';
import {
  addMemberScript,
  membersScript,
  extendScript,
  hasMemberScript,
  removeIfScript,
  replaceScript,
  renewMemberScript,
  takeSlotScript,
  timeScript,
} from './scripts.ts';

/** Stores keys in Redis: a single server, a Sentinel setup or a cluster. */
export class RedisKeyValueStore implements KeyValueStore {
  readonly #connection: RedisConnection;
  readonly #clockKey: string;

  /** Watchers are notified of keys that begin with `watchedPrefix`. Defaults to the key prefix. */
  constructor(
    options: RedisOptions,
    watchedPrefix = options.keyPrefix,
    onConnection: ConnectionListener = () => {},
  ) {
    this.#clockKey = `${options.keyPrefix}clock`;
    this.#connection = new RedisConnection(options, watchedPrefix, onConnection);
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.#connection.run((client) => client.get(key))) ?? undefined;
  }

  async create(key: string, value: string, ttlMilliseconds: number): Promise<boolean> {
    const expiration = { type: 'PX', value: wholeMilliseconds(ttlMilliseconds) } as const;
    const reply = await this.#connection.run((client) =>
      client.set(key, value, { condition: 'NX', expiration }),
    );
    return reply !== null;
  }

  async replace(key: string, expected: string, value: string, fence?: Fence): Promise<boolean> {
    const fenced = fence ? [fence.key] : [];
    const values = [expected, value, ...(fence ? [fence.value] : [])];
    return this.#runScript(replaceScript, [key, ...fenced], values);
  }

  async take(key: string): Promise<string | undefined> {
    return (await this.#connection.run((client) => client.getDel(key))) ?? undefined;
  }

  async touch(key: string, ttlMilliseconds: number): Promise<boolean> {
    const ttl = wholeMilliseconds(ttlMilliseconds);
    return (await this.#connection.run((client) => client.pExpire(key, ttl))) === 1;
  }

  async getAndTouch(key: string, ttlMilliseconds: number): Promise<string | undefined> {
    const expiration = { type: 'PX', value: wholeMilliseconds(ttlMilliseconds) } as const;
    try {
      return (await this.#connection.run((client) => client.getEx(key, expiration))) ?? undefined;
    } catch (error) {
      if (!isRefusedWrite(error as Error)) throw error;
      return this.get(key);
    }
  }

  async extend(key: string, expected: string, ttlMilliseconds: number): Promise<boolean> {
    return this.#runScript(
      extendScript,
      [key],
      [expected, String(wholeMilliseconds(ttlMilliseconds))],
    );
  }

  async timeToLive(key: string): Promise<number | undefined> {
    const milliseconds = await this.#connection.run((client) => client.pTTL(key));
    return milliseconds >= 0 ? milliseconds : undefined;
  }

  async remove(key: string): Promise<boolean> {
    return (await this.#connection.run((client) => client.del(key))) > 0;
  }

  async removeIf(key: string, expected: string): Promise<boolean> {
    return this.#runScript(removeIfScript, [key], [expected]);
  }

  async time(): Promise<number> {
    const keys = [this.#clockKey];
    return Number(await this.#connection.run((client) => client.eval(timeScript, { keys })));
  }

  async addMember(
    list: string,
    member: string,
    times: MemberTimes & { readonly since: number },
  ): Promise<boolean> {
    const values = [member, String(times.since), ...argumentsOf(times)];
    return this.#runScript(addMemberScript, [list, revocationKey(list)], values);
  }

  async hasMember(list: string, member: string, since: number): Promise<boolean> {
    return this.#runScript(hasMemberScript, [list, revocationKey(list)], [member, String(since)]);
  }

  async renewMember(list: string, member: string, times: MemberTimes): Promise<void> {
    await this.#runScript(renewMemberScript, [list], [member, ...argumentsOf(times)]);
  }

  async removeMember(list: string, member: string): Promise<void> {
    await this.#connection.run((client) => client.zRem(list, member));
  }

  async members(
    list: string,
    staleBefore: number,
    { after, atMost }: PageRequest,
  ): Promise<ListEntry[]> {
    const cursor = after ? [String(after.at), after.member] : [];
    const values = [String(staleBefore), String(atMost), ...cursor];
    const found = (await this.#connection.run((client) =>
      client.eval(membersScript, { keys: [list], arguments: values }),
    )) as string[];
    return found.flatMap((member, index) =>
      index % 2 === 0 ? [{ member, at: Number(found[index + 1]) }] : [],
    );
  }

  async countMembers(list: string, staleBefore: number): Promise<number> {
    return this.#connection.run((client) => client.zCount(list, staleBefore, '+inf'));
  }

  async revokeBefore(list: string, at: number, ttl: number): Promise<void> {
    const expiration = { type: 'PX', value: wholeMilliseconds(ttl) } as const;
    await this.#connection.run((client) =>
      client.set(revocationKey(list), String(at), { expiration }),
    );
  }

  watch(watcher: KeyWatcher): void {
    this.#connection.watch(watcher);
  }

  async takeSlot(slots: string, member: string, most: number, ttl: number): Promise<boolean> {
    const values = [member, most, wholeMilliseconds(ttl)].map(String);
    return this.#runScript(takeSlotScript, [slots], values);
  }

  async freeSlot(slots: string, member: string): Promise<void> {
    await this.#connection.run((client) => client.zRem(slots, member));
  }

  async ping(): Promise<void> {
    await this.#connection.ping();
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  async #runScript(script: string, keys: string[], values: string[]): Promise<boolean> {
    return (
      (await this.#connection.run((client) => client.eval(script, { keys, arguments: values }))) ===
      1
    );
  }
}

/** Redis refuses writes while replicas or the disk fail, but can still read. */
function isRefusedWrite({ cause }: { readonly cause?: unknown }): boolean {
  return cause instanceof ErrorReply && /^(NOREPLICAS|MISCONF) /.test(cause.message);
}

function argumentsOf({ at, staleBefore, ttl }: MemberTimes): string[] {
  return [at, staleBefore, wholeMilliseconds(ttl)].map(String);
}

/** The list name contains the hash tag, so both keys are in one slot. */
function revocationKey(list: string): string {
  return `${list}:closed`;
}

function wholeMilliseconds(value: number): number {
  return Math.max(1, Math.ceil(value));
}
