import type { RedisClient } from './servers.ts';

/** The commands in use, for a single server and for a cluster. */
export type RedisCommands = Pick<
  RedisClient,
  'get' | 'set' | 'getDel' | 'getEx' | 'pExpire' | 'pTTL' | 'del' | 'eval' | 'zCount' | 'zRem'
>;

/** Runs a function with the client of the server that owns the key. */
export type Route = <Reply>(
  key: string,
  send: (client: RedisClient) => Promise<Reply>,
) => Promise<Reply>;

/**
 * Returns commands that are sent to the server that owns their key. All keys of one command share a
 * hash tag, so the first one decides.
 */
export function routed(route: Route): RedisCommands {
  return {
    get: (key) => route(String(key), (client) => client.get(key)),
    set: (key, ...rest) => route(String(key), (client) => client.set(key, ...rest)),
    getDel: (key) => route(String(key), (client) => client.getDel(key)),
    getEx: (key, options) => route(String(key), (client) => client.getEx(key, options)),
    pExpire: (key, ...rest) => route(String(key), (client) => client.pExpire(key, ...rest)),
    pTTL: (key) => route(String(key), (client) => client.pTTL(key)),
    del: (keys) => route(String([keys].flat()[0]), (client) => client.del(keys)),
    eval: (script, options) =>
      route(String(options?.keys?.[0]), (client) => client.eval(script, options)),
    zCount: (key, ...range) => route(String(key), (client) => client.zCount(key, ...range)),
    zRem: (key, members) => route(String(key), (client) => client.zRem(key, members)),
  };
}
