import { RedisView, Replica, startBumpyWay, World } from './world.ts';
import { startRedis } from '../redis/server.ts';
import { scriptedClient } from '../authorization-server/scripted-authorization-server.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** Where runs take place, one after the other. */
export interface Stage {
  readonly replicas: readonly Replica[];
  readonly world: World;
  readonly redis: RedisView;
}

/** What every replica of a theatre is configured with, beside what is its own. */
export interface Script {
  readonly logLevel: 'error';
  /** A Redis on a bumpy way, in which nobody else keeps anything. */
  readonly redis: { readonly url: string };
  readonly provider: {
    readonly issuer: string;
    readonly clientId: string;
    readonly clientSecret: string;
    readonly scopes: string[];
  };
  /** The API. */
  readonly upstream: Upstream;
}

/** Replicas that are running. */
export interface Cast {
  readonly ports: readonly number[];
  /** Of what they keep in Redis. */
  readonly keyPrefix: string;
  close(): Promise<void>;
}

/**
 * A stage with all that is behind it. `await using theatre = await openTheatre(hire)` closes
 * everything.
 */
export interface Theatre extends AsyncDisposable {
  readonly stage: Stage;
}

/** Opens a stage on which interleavings are played. `hire` starts the replicas. */
export async function openTheatre(hire: (script: Script) => Promise<Cast>): Promise<Theatre> {
  const world = await World.start();
  const redisServer = await startRedis();
  const way = await startBumpyWay(redisServer.port, () => world.pause());
  const script: Script = {
    logLevel: 'error',
    redis: { url: `redis://127.0.0.1:${way.port}` },
    provider: { ...scriptedClient, issuer: world.server.issuer, scopes: ['openid'] },
    upstream: world.upstream,
  };
  const cast = await hire(script);
  const replicas = cast.ports.map((port) => new Replica(port));
  const redis = new RedisView(redisServer.url, cast.keyPrefix);
  await redis.open();
  return {
    stage: { replicas, world, redis },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(replicas.map((replica) => replica.close()));
      await cast.close();
      redis.close();
      way.close();
      // Its process alone would not keep ours waiting for its end; the world does.
      await redisServer.stop();
      await world.close();
    },
  };
}
