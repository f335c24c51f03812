/**
 * One party of the demo by itself, for containers: `node demo/serve.ts authorization-server` or
 * `node demo/serve.ts api`. Everything comes from the environment; `SIGTERM` ends it with exit code
 * 0.
 */
import { startApi } from './api.ts';
import { startAuthorizationServer } from './authorization-server.ts';
import { demoAudience, demoClient } from './defaults.ts';

const { env } = process;
const issuer = env['ISSUER'] ?? 'http://localhost:4000';
const audience = env['AUDIENCE'] ?? demoAudience;
const host = env['HOST'] ?? '0.0.0.0';

const parties = { 'authorization-server': serveAuthorizationServer, api: serveApi };

const name = process.argv[2];
if (name !== 'authorization-server' && name !== 'api') {
  console.error(`Say which party to serve: ${Object.keys(parties).join(' or ')}`);
  process.exit(1);
}
const server = await parties[name]();
console.log(JSON.stringify({ msg: 'listening', party: name, port: server.port, issuer }));
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void server.close().then(() => process.exit(0)));
}

function serveAuthorizationServer() {
  const publicUrl = env['APP_URL'] ?? 'http://localhost:8080';
  return startAuthorizationServer({
    port: Number(env['PORT'] ?? 4000),
    host,
    issuer,
    audience,
    clients: [demoClient(publicUrl, required('CLIENT_SECRET'), env['CLIENT_ID'])],
  });
}

function serveApi() {
  const jwksUri = env['JWKS_URI'];
  const port = Number(env['PORT'] ?? 3000);
  return startApi({ port, host, issuer, audience, ...(jwksUri && { jwksUri }) });
}

function required(variable: string): string {
  const value = env[variable];
  if (value) return value;
  console.error(`${variable} is not set.`);
  process.exit(1);
}
