import { createClient } from 'redis';
import { isUp } from './server.ts';
import { startRedis, testRedis } from './redis.ts';

it('dumps every key with its prefix, of every type, and no other', async () => {
  const [mine, other] = [await testRedis(), await testRedis()];
  const client = await createClient({ url: mine.url }).connect();
  await client.set(`${mine.keyPrefix}text`, 'a value');
  await client.hSet(`${mine.keyPrefix}hash`, { field: 'inside' });
  await client.sAdd(`${mine.keyPrefix}set`, ['member']);
  await client.zAdd(`${mine.keyPrefix}zset`, { value: 'ranked', score: 7 });
  await client.rPush(`${mine.keyPrefix}list`, ['first', 'second']);
  await client.xAdd(`${mine.keyPrefix}stream`, '*', { entry: 'streamed' });
  await client.set(`${other.keyPrefix}text`, 'not mine');

  const dump = await mine.dump();
  expect(Object.fromEntries(dump)).toEqual({
    [`${mine.keyPrefix}text`]: 'a value',
    [`${mine.keyPrefix}hash`]: 'field\ninside',
    [`${mine.keyPrefix}set`]: 'member',
    [`${mine.keyPrefix}zset`]: 'ranked\n7',
    [`${mine.keyPrefix}list`]: 'first\nsecond',
    [`${mine.keyPrefix}stream`]: expect.stringContaining('entry\nstreamed'),
  });

  await mine.close();
  await expect(client.keys(`${mine.keyPrefix}*`)).resolves.toEqual([]);
  await expect(other.dump()).resolves.toHaveProperty('size', 1);
  await other.close();
  await client.close();
});

it('starts a Redis that can hang, die and come back on its port', async () => {
  const redis = await startRedis();
  expect(await isUp(redis.port)).toBe(true);
  redis.pause();
  expect(await isUp(redis.port)).toBe(false);
  redis.resume();
  expect(await isUp(redis.port)).toBe(true);
  const { pid } = redis;
  await redis.stop();
  expect(await isUp(redis.port)).toBe(false);
  await redis.restart();
  expect(await isUp(redis.port)).toBe(true);
  expect(redis.pid).not.toBe(pid);
  await redis.stop();
});
