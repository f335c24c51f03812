import type { RedisClient } from './servers.ts';

/**
 * The commands we use. The first argument of each is the key, of which every further one shares the
 * hash tag; `eval` lists its keys.
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

/** What commands are sent with, whatever the topology. */
export type RedisCommands = Pick<RedisClient, (typeof names)[number]>;

/** Sends something to the server that a key belongs to. */
export type Route = (
  key: string,
  send: (client: RedisClient) => Promise<unknown>,
) => Promise<unknown>;

/** The same commands, each on its way to the server of its key. */
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
