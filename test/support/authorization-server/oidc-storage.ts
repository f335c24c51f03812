import type { Adapter, AdapterFactory, AdapterPayload, ClientMetadata } from 'oidc-provider';

/**
 * What the test authorization server remembers. Clients may be registered and changed at any time.
 */
export class OidcStorage {
  readonly clients = new Map<string, ClientMetadata>();
  readonly #records = new Map<string, AdapterPayload>();

  /** The adapter through which oidc-provider uses this storage. */
  get adapter(): AdapterFactory {
    return (model) => this.#adapterOf(model);
  }

  /** Forgets every token and grant, as an administrator's "revoke all" does. */
  revokeEverything(): void {
    for (const key of this.#records.keys()) {
      if (/^(AccessToken|RefreshToken|Grant|AuthorizationCode):/.test(key)) {
        this.#records.delete(key);
      }
    }
  }

  #adapterOf(model: string): Adapter {
    const records = this.#records;
    const mine = () => [...records].filter(([key]) => key.startsWith(`${model}:`));
    return {
      upsert: async (id, payload) => void records.set(`${model}:${id}`, payload),
      find: async (id) =>
        model === 'Client' ? this.clients.get(id) : records.get(`${model}:${id}`),
      findByUid: async (uid) => mine().find(([, record]) => record.uid === uid)?.[1],
      findByUserCode: async () => undefined,
      destroy: async (id) => void records.delete(`${model}:${id}`),
      consume: async (id) => {
        const record = records.get(`${model}:${id}`);
        if (record) record.consumed = Math.floor(Date.now() / 1000);
      },
      revokeByGrantId: async (grantId) => {
        for (const [key, record] of mine()) if (record.grantId === grantId) records.delete(key);
      },
    };
  }
}
