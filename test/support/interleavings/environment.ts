import { RedisView, Replica, startBumpyWay, ExternalServices } from './external-services.ts';
import { startRedis } from '../redis/server.ts';
import { scriptedClient } from '../authorization-server/scripted-authorization-server.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** The system that runs act on, one after the other. */
export interface SystemUnderTest {
  readonly replicas: readonly Replica[];
  readonly services: ExternalServices;
  readonly redis: RedisView;
}

/** The configuration that all replicas share. */
export interface ReplicaOptions {
  readonly logLevel: 'error';
  /** A Redis behind a slow connection, used by these replicas alone. */
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

/** The running replicas. */
export interface RunningReplicas {
  readonly ports: readonly number[];
  /** The prefix of their keys in Redis. */
  readonly keyPrefix: string;
  close(): Promise<void>;
}

/**
 * A system under test with everything behind it. `await using environment = await
 * startEnvironment(startReplicas)` closes everything.
 */
export interface Environment extends AsyncDisposable {
  readonly system: SystemUnderTest;
}

/** Starts everything that interleavings need. `startReplicas` starts the replicas. */
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
      // The process of Redis does not keep this process alive until it has ended; the services do.
      await redisServer.stop();
      await services.close();
    },
  };
}
