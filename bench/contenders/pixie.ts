import { fileURLToPath } from 'node:url';
import { writeConfig } from '../../test/support/bff/built-server.ts';
import { freePort } from '../../test/support/network/ports.ts';
import type { OptionsInput } from '../../src/config/options.ts';
import { v8Flags } from '../../src/server/v8-flags.ts';
import { startChild } from '../child.ts';
import { clientIdOf, originOf, type Recipe } from '../contender.ts';
import type { Backends } from '../backends.ts';
import { writeManySessions } from '../many-sessions.ts';

/** The arguments of Node.js that run the built server. */
export const builtServer: readonly string[] = [
  ...v8Flags,
  fileURLToPath(new URL('../../dist/main.js', import.meta.url)),
];

/** This BFF: the built server with a configuration file, and everything else as it comes. */
export const pixie: Recipe = {
  name: 'pixie',
  title: 'Pixie BFF',
  loginPath: '/bff/login',
  redirectPath: '/bff/callback',
  start: async (backends, port) => {
    const file = writeConfig(pixieOptions(backends, port, await freePort()));
    return startChild({
      program: process.execPath,
      args: [...builtServer, '--config', file],
      port,
      env: { NODE_ENV: 'production' },
    });
  },
  writeSessions: (backends, { port }) => {
    return async (howMany, cookie) =>
      writeManySessions(pixieOptions(backends, port, await freePort()), howMany, cookie);
  },
};

/** Its configuration: one provider, one route, Redis. */
export function pixieOptions(
  backends: Backends,
  port: number,
  managementPort: number,
): OptionsInput {
  const { authorizationServer, redis, upstream } = backends;
  return {
    publicUrl: originOf(port),
    server: { port, host: '127.0.0.1' },
    management: { port: managementPort },
    redis: { url: redis.url },
    session: {
      secrets: ['a session secret for the bench, long enough'],
      maxWebSockets: 0,
      // Thousands of sign-ins of one user are measured.
      maxPerUser: 0,
    },
    providers: [
      {
        id: 'corp',
        issuer: authorizationServer.issuer,
        clientId: clientIdOf('pixie', port),
        clientSecret: authorizationServer.clientSecret,
        scopes: ['openid', 'profile', 'email', 'offline_access'],
      },
    ],
    routes: [{ path: '/api', upstream, maxBody: '4gb' }],
  };
}
