import type { RedisClient } from './servers.ts';

/**
 * The commands in use. The first argument is the key, except for `eval`, which lists its keys. All
 * keys of one command share a hash tag.
 */
const names = [
  'get',
  'set',
  'getDel',
  'getEx',
  'pExpire',
  'pTTL',
  'del',
  'eval',
  'zCount',
  'zRem',
] as const;

/** The commands, for a single server and for a cluster. */
export type RedisCommands = Pick<RedisClient, (typeof names)[number]>;

/** Runs a function with the client of the server that owns the key. */
export type Route = (
  key: string,
  send: (client: RedisClient) => Promise<unknown>,
) => Promise<unknown>;

/** Returns commands that are sent to the server that owns their key. */
export function routed(route: Route): RedisCommands {
  const commands = names.map((name) => [
    name,
    (...args: unknown[]) =>
      route(keyOf(name, args), (client) => Reflect.apply(client[name], client, args)),
  ]);
  return Object.fromEntries(commands) as unknown as RedisCommands;
}

function keyOf(name: (typeof names)[number], args: readonly unknown[]): string {
  const keys = name === 'eval' ? (args[1] as { keys: readonly string[] }).keys : args.slice(0, 1);
  return String(keys.flat()[0]);
}
