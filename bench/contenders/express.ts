import { randomBytes } from 'node:crypto';
import { sign } from 'cookie-signature';
import { createClient } from 'redis';
import { startChild } from '../child.ts';
import { clientIdOf, type Recipe, type SessionWriter } from '../contender.ts';
import { type Backends, peer } from '../backends.ts';

const secret = 'a session secret for the bench, long enough';
const cookieName = 'connect.sid';

/** What a Node.js team writes by itself. */
export const express: Recipe = {
  name: 'express',
  title: 'express-session + http-proxy-middleware',
  loginPath: '/login',
  redirectPath: '/callback',
  start: ({ upstream, redis, authorizationServer: { issuer, clientSecret } }, port) => {
    const clientId = clientIdOf('express', port);
    const configuration = { port, upstream, redisUrl: redis.url, issuer, clientId, clientSecret };
    return startChild({
      program: process.execPath,
      args: [peer('express-proxy.js'), JSON.stringify({ ...configuration, secret })],
      port,
      env: { NODE_ENV: 'production' },
    });
  },
  writeSessions: (backends) => copySessions(backends),
};

/** Copies the session of the one who signed in, as connect-redis wrote it. */
function copySessions(backends: Backends): SessionWriter {
  return async (howMany, signedInCookie) => {
    const redis = await createClient({ url: backends.redis.url }).connect();
    try {
      const id = /connect\.sid=s%3A([^.]+)\./.exec(signedInCookie)?.[1] ?? '';
      const session = await redis.get(`express:${id}`);
      if (!session) throw new Error('express-session has not stored its session.');
      const ids = Array.from({ length: howMany }, () => randomBytes(24).toString('base64url'));
      for (let start = 0; start < howMany; start += 5000) {
        const batch = ids.slice(start, start + 5000);
        await Promise.all(
          batch.map((each) =>
            redis.set(`express:${each}`, session, { expiration: { type: 'EX', value: 1800 } }),
          ),
        );
      }
      return ids.map((each) => `${cookieName}=${encodeURIComponent(`s:${sign(each, secret)}`)}`);
    } finally {
      redis.destroy();
    }
  };
}
