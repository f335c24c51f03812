import { fileURLToPath } from 'node:url';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../test/support/authorization-server/authorization-server.ts';
import { freePort } from '../test/support/network/ports.ts';
import { type RedisServer, startRedis } from '../test/support/redis/server.ts';
import { type Child, startChild } from './child.ts';

/**
 * What all contenders stand on: one Redis, one API, one authorization server, which lives in this
 * process.
 */
export interface Backends {
  readonly authorizationServer: AuthorizationServer;
  readonly redis: RedisServer;
  /** Origin of the API. */
  readonly upstream: string;
  close(): Promise<void>;
}

/** A program among the peers. */
export function peer(name: string): string {
  return fileURLToPath(new URL(`./peers/${name}`, import.meta.url));
}

/** Starts Redis, the API and the authorization server. */
export async function startBackends(): Promise<Backends> {
  const redis = await startRedis();
  const authorizationServer = await startAuthorizationServer({
    // A secret that needs no encoding: clients do not agree how to do it (RFC 6749 §2.3.1).
    clientSecret: 'a-client-secret-for-the-bench',
    // Longer than any run; a refresh in between would be measured with one contender only.
    accessTokenSeconds: 86_400,
  });
  const { upstream, child } = await startUpstream();
  return {
    authorizationServer,
    redis,
    upstream,
    close: async () => {
      await child.close();
      // Redis ends with the run.
      await authorizationServer.close();
    },
  };
}

async function startUpstream(): Promise<{ readonly upstream: string; readonly child: Child }> {
  const port = await freePort();
  const args = [peer('upstream.js'), String(port)];
  const child = await startChild({ program: process.execPath, args, port });
  return { upstream: `http://127.0.0.1:${port}`, child };
}
