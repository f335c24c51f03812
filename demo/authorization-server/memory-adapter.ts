import type { Adapter, AdapterPayload } from 'oidc-provider';

interface Stored {
  readonly payload: AdapterPayload;
  readonly expiresAt: number;
}

/**
 * Where one authorization server keeps its sessions, codes and tokens: a map of its own, so that
 * several servers in one process know nothing of each other. Restarting forgets everything.
 */
export function createMemoryAdapter(): (model: string) => Adapter {
  const records = new Map<string, Stored>();
  return (model) => new MemoryAdapter(model, records);
}

class MemoryAdapter implements Adapter {
  readonly #model: string;
  readonly #records: Map<string, Stored>;

  constructor(model: string, records: Map<string, Stored>) {
    this.#model = model;
    this.#records = records;
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const expiresAt = expiresIn ? Date.now() + expiresIn * 1000 : Infinity;
    this.#records.set(this.#key(id), { payload, expiresAt });
    this.#forgetExpired();
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const stored = this.#records.get(this.#key(id));
    return stored && stored.expiresAt > Date.now() ? stored.payload : undefined;
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#first((payload) => payload.uid === uid);
  }

  async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.#first((payload) => payload.userCode === userCode);
  }

  async consume(id: string): Promise<void> {
    const payload = await this.find(id);
    if (payload) payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id: string): Promise<void> {
    this.#records.delete(this.#key(id));
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    for (const [key, { payload }] of this.#records) {
      if (payload.grantId === grantId) this.#records.delete(key);
    }
  }

  #key(id: string): string {
    return `${this.#model}:${id}`;
  }

  #first(matches: (payload: AdapterPayload) => boolean): AdapterPayload | undefined {
    for (const [key, { payload, expiresAt }] of this.#records) {
      if (key.startsWith(`${this.#model}:`) && expiresAt > Date.now() && matches(payload)) {
        return payload;
      }
    }
    return undefined;
  }

  #forgetExpired(): void {
    const now = Date.now();
    for (const [key, { expiresAt }] of this.#records) {
      if (expiresAt <= now) this.#records.delete(key);
    }
  }
}
