import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadOptions } from '../../src/config/load.ts';

/** The example that shows all of a configuration. */
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
    clientAuth: private_key_jwt
    clientKey: key.pem
    scopes: [openid, profile, email, offline_access]
    par: auto
    profile: fapi2
  - id: github
    preset: github
    clientId: …
    clientSecret: \${OIDC_SECRET}
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

describe('the complete example', () => {
  it('is accepted', () => {
    const { options } = load(example);
    expect(options).toMatchObject({
      server: { trustedProxies: ['10.0.0.0/8'], tls: { cert: join(folder, 'cert.pem') } },
      management: { token: env.ADMIN_TOKEN },
      session: { secrets: [env.BFF_SESSION_SECRET], maxPerUser: 0 },
      providers: [
        { profile: 'fapi2', dpop: true, clientKey: join(folder, 'key.pem') },
        { id: 'github', type: 'oauth2', clientSecret: 'oidc-secret' },
      ],
      routes: [
        { maxBody: 50 * 1024 ** 2 },
        { path: '/api/reports', resource: 'https://reports.example.com' },
      ],
      frontend: { directory: join(folder, 'web') },
    });
  });
});
