import { startBff } from '../support/bff.ts';
import { extentFrom, playInterleavings } from '../support/interleavings.ts';
import { RedisView, Replica, startBumpyWay, World } from '../support/interleavings-stage.ts';
import { startRedis } from '../support/redis-server.ts';
import { scriptedClient } from '../support/scripted-authorization-server.ts';

const extent = extentFrom(process.env, 120);

/** Three replicas of the BFF, and around them what every run decides about anew. */
async function openStage() {
  const world = await World.start();
  const redisServer = await startRedis();
  const way = await startBumpyWay(redisServer.port, () => world.pause());
  const bff = await startBff({
    logLevel: 'error',
    redis: { url: `redis://127.0.0.1:${way.port}` },
    provider: { ...scriptedClient, issuer: world.server.issuer, scopes: ['openid'] },
    upstream: world.api,
  });
  const bffs = [bff, await bff.replica(), await bff.replica()];
  const replicas = bffs.map(({ port }) => new Replica(port));
  const redis = new RedisView(redisServer.url, bff.redis.keyPrefix);
  await redis.open();
  return {
    stage: { replicas, world, redis },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(replicas.map((replica) => replica.close()));
      await bff.close();
      redis.close();
      way.close();
      await Promise.all([world.server.close(), redisServer.stop()]);
    },
  };
}

describe('signing in, calling and signing out, whoever does it at whatever replica at the same time', () => {
  it(
    'loses no session, brings none back and gives nobody that of another',
    async () => {
      console.info(`INTERLEAVINGS_SEED=${extent.seed}`);
      await using theatre = await openStage();
      const { figures, failure = 'none' } = await playInterleavings(theatre.stage, extent);
      console.info(figures);
      expect(failure).toBe('none');
    },
    extent.runs * 500 + 60_000,
  );
});
