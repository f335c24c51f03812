import type { RedisOptions } from '../../src/config/options.ts';
import { RedisConnection } from '../../src/session/store/redis/connection.ts';
import { type RedisServer, startRedis } from '../support/redis/server.ts';

/** Longer than Redis is waited for, in milliseconds. */
const tooLong = 1700;

/** The process does nothing else meanwhile, as when it gets no processor. */
function beBusy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

describe('a process that was busy for longer than it waits for Redis', () => {
  let redis: RedisServer;
  let connection: RedisConnection;
  const events: string[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    const options = { url: redis.url, keyPrefix: 'test:' } as RedisOptions;
    connection = new RedisConnection(options, 'test:', (event) => void events.push(event));
    await connection.ping();
  });
  afterAll(async () => {
    connection.close();
    await redis.stop();
  });

  it('takes the reply that has come meanwhile', async () => {
    const result = connection.run((client) => {
      const sent = client.set('key', 'value');
      // The client writes its commands when the turn ends; this comes after that.
      setImmediate(() => beBusy(tooLong));
      return sent;
    });
    await expect(result).resolves.toBe('OK');
    expect(events).toEqual(['connected']);
  });

  it('waits for the reply to a command that it could not send meanwhile', async () => {
    const result = connection.run((client) => {
      const sent = client.get('key');
      beBusy(tooLong);
      return sent;
    });
    await expect(result).resolves.toBe('value');
    expect(events).toEqual(['connected']);
  });

  it('still gives up a Redis that hangs, and in time', async () => {
    const began = performance.now();
    redis.pause();
    try {
      const result = connection.run((client) => client.get('key'));
      await expect(result).rejects.toMatchObject({ code: 'session_store_unavailable' });
    } finally {
      redis.resume();
    }
    expect(performance.now() - began).toBeGreaterThan(1400);
    expect(performance.now() - began).toBeLessThan(2 * tooLong);
  });
});
