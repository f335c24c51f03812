import { fileURLToPath } from 'node:url';
import type { OptionsInput } from 'pixie-bff';

/** The options of the BFF, from the environment. The defaults suit a developer's machine. */
export function bffOptions(): OptionsInput {
  const { env } = process;
  const redisUrl = env['REDIS_URL'];
  return {
    publicUrl: env['PUBLIC_URL'] ?? 'http://localhost:8080',
    management: { port: Number(env['MANAGEMENT_PORT'] ?? 9090) },
    session: { secrets: [env['SESSION_SECRET'] ?? 'only for development, 32 characters'] },
    providers: [
      {
        id: 'corp',
        issuer: env['ISSUER'] ?? 'http://localhost:9000',
        clientId: env['CLIENT_ID'] ?? 'shop',
        clientSecret: env['CLIENT_SECRET'] ?? 'secret',
      },
    ],
    routes: [{ path: '/api', upstream: env['API_URL'] ?? 'http://localhost:3000' }],
    frontend: { directory: fileURLToPath(new URL('../../web', import.meta.url)) },
    ...(redisUrl ? { redis: { url: redisUrl } } : {}),
  };
}
