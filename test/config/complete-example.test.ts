import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, loadOptions } from '../../src/config/load.ts';

/** The example that shows all of a configuration, features of later releases included. */
const example = `
publicUrl: https://app.example.com        # the only source of our own address; never the Host header
server: { port: 8080, host: 0.0.0.0, trustedProxies: [10.0.0.0/8], tls: { cert: cert.pem, key: key.pem } }
management: { port: 9090, host: 127.0.0.1, token: \${ADMIN_TOKEN} }
basePath: /bff
redis:
  url: rediss://redis:6380
  keyPrefix: "bff:"
session:
  secrets: [\${BFF_SESSION_SECRET}]         # newest first; signs cookies, derives encryption keys
  idle: 30m
  absolute: 8h
  sameSite: strict
  maxPerUser: 0                            # 0: no limit
providers:
  - id: corp
    issuer: https://login.example.com      # OIDC discovery
    clientId: spa
    clientAuth: client_secret_basic
    clientSecret: \${OIDC_SECRET}
    scopes: [openid, profile, email, offline_access]
    par: auto
    profile: fapi2
  - id: github
    preset: github
    clientId: …
    clientSecret: …
routes:
  - path: /api
    upstream: http://api:3000
    token: user
    provider: corp
    stripPrefix: false
    timeout: 30s
    maxBody: 50mb
  - path: /api/reports
    upstream: http://reports:3000
    resource: https://reports.example.com
frontend: { directory: ./web }
login: { defaultReturnUrl: /, allowedReturnOrigins: [] }
csrf: { header: X-CSRF, value: "1" }
user: { anonymous: 401, format: object }
errorUrl: /signin-error
`;

const env = {
  ADMIN_TOKEN: 'an-admin-token-long-enough',
  BFF_SESSION_SECRET: 'kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U',
  OIDC_SECRET: 'oidc-secret',
};

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bff-example-'));
  mkdirSync(join(folder, 'web'));
  writeFileSync(join(folder, 'web', 'index.html'), '<!doctype html>');
  writeFileSync(join(folder, 'cert.pem'), 'certificate');
  writeFileSync(join(folder, 'key.pem'), 'key');
});

afterAll(() => rmSync(folder, { recursive: true }));

function load(content: string) {
  return loadOptions({ file: 'bff.yaml', env, cwd: folder, readFile: () => content });
}

function mistakesOf(start: () => unknown): ConfigurationError['mistakes'] {
  try {
    start();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.mistakes;
  }
}

describe('the complete example', () => {
  it('is refused for its features of later releases and for nothing else', () => {
    const refusals = mistakesOf(() => load(example));
    expect(refusals.map(({ path }) => path)).toEqual(['providers[0].profile']);
    expect(
      refusals.filter(({ message }) => !message.includes('is not part of this release yet')),
    ).toEqual([]);
  });

  it('is accepted without them', () => {
    const trimmed = example.replace('    profile: fapi2\n', '');
    const { options } = load(trimmed);
    expect(options).toMatchObject({
      server: { trustedProxies: ['10.0.0.0/8'], tls: { cert: join(folder, 'cert.pem') } },
      management: { token: env.ADMIN_TOKEN },
      session: { secrets: [env.BFF_SESSION_SECRET], maxPerUser: 0 },
      providers: [{ clientSecret: 'oidc-secret' }, { id: 'github', type: 'oauth2' }],
      routes: [
        { maxBody: 50 * 1024 ** 2 },
        { path: '/api/reports', resource: 'https://reports.example.com' },
      ],
      frontend: { directory: join(folder, 'web') },
    });
  });
});
