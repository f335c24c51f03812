import { RedisView, Replica, startBumpyWay, ExternalServices } from './external-services.ts';
import { startRedis } from '../redis/server.ts';
import { scriptedClient } from '../authorization-server/scripted-authorization-server.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** Where runs take place, one after the other. */
export interface SystemUnderTest {
  readonly replicas: readonly Replica[];
  readonly services: ExternalServices;
  readonly redis: RedisView;
}

/** What every replica of a theatre is configured with, beside what is its own. */
export interface ReplicaOptions {
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
export interface RunningReplicas {
  readonly ports: readonly number[];
  /** Of what they keep in Redis. */
  readonly keyPrefix: string;
  close(): Promise<void>;
}

/**
 * A stage with all that is behind it. `await using theatre = await openTheatre(hire)` closes
 * everything.
 */
export interface Environment extends AsyncDisposable {
  readonly system: SystemUnderTest;
}

/** Opens a stage on which interleavings are played. `hire` starts the replicas. */
export async function startEnvironment(
  startReplicas: (options: ReplicaOptions) => Promise<RunningReplicas>,
): Promise<Environment> {
  const services = await ExternalServices.start();
  const redisServer = await startRedis();
  const way = await startBumpyWay(redisServer.port, () => services.pause());
  const options: ReplicaOptions = {
    logLevel: 'error',
    redis: { url: `redis://127.0.0.1:${way.port}` },
    provider: { ...scriptedClient, issuer: services.server.issuer, scopes: ['openid'] },
    upstream: services.upstream,
  };
  const running = await startReplicas(options);
  const replicas = running.ports.map((port) => new Replica(port));
  const redis = new RedisView(redisServer.url, running.keyPrefix);
  await redis.open();
  return {
    system: { replicas, services, redis },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(replicas.map((replica) => replica.close()));
      await running.close();
      redis.close();
      way.close();
      // Its process alone would not keep ours waiting for its end; the world does.
      await redisServer.stop();
      await services.close();
    },
  };
}
