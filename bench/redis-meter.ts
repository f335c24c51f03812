import { createClient } from 'redis';

/** Counts what everybody asks of a Redis, without its own questions. */
export interface RedisMeter {
  /** Commands since the last reading. */
  read(): Promise<number>;
  close(): void;
}

/** Opens a meter on the Redis at this address. */
export async function openRedisMeter(url: string): Promise<RedisMeter> {
  const client = await createClient({ url }).connect();
  const total = async () => {
    const stats = await client.info('stats');
    return Number(/total_commands_processed:(\d+)/.exec(stats)?.[1]);
  };
  let last = await total();
  return {
    read: async () => {
      const now = await total();
      // The question of the last reading is counted in this one.
      const commands = now - last - 1;
      last = now;
      return commands;
    },
    close: () => client.destroy(),
  };
}
