import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, loadOptions, parseOptions } from '../../src/config/load.ts';

const secret = 'kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U';
const environment = {
  BFF_PUBLIC_URL: 'https://app.example.com',
  BFF_REDIS_URL: 'redis://redis:6379',
  BFF_SESSION_SECRET: secret,
  BFF_OIDC_ISSUER: 'https://login.example.com',
  BFF_OIDC_CLIENT_ID: 'spa',
  BFF_OIDC_CLIENT_SECRET: 'oidc-secret',
  BFF_API_PATH: '/api',
  BFF_API_UPSTREAM: 'http://api:3000',
};
const smallestFile = `
publicUrl: https://app.example.com
redis: { url: redis://redis:6379 }
session: { secrets: [${secret}] }
providers:
  - { id: corp, issuer: https://login.example.com, clientId: spa, clientSecret: s }
`;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bff-load-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

function put(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

const withHost = (name: string) => smallestFile.replace('app.example', name);
const loadEnvironment = (env: Record<string, string>) => loadOptions({ env, cwd: folder });

function load(file: string, env: Record<string, string> = {}) {
  return loadOptions({ file: put('file.yaml', file), env, cwd: folder });
}

function mistakesOf(start: () => unknown): string[] {
  try {
    start();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.mistakes.map(({ path, message }) => `${path}: ${message}`);
  }
}

describe('the environment alone', () => {
  it('is enough for one provider and one route', () => {
    const { options, warnings, source } = loadEnvironment(environment);
    expect(options).toMatchObject({
      publicUrl: 'https://app.example.com',
      redis: { url: 'redis://redis:6379' },
      session: { secrets: [secret] },
      providers: [
        { id: 'default', issuer: 'https://login.example.com', clientSecret: 'oidc-secret' },
      ],
      routes: [{ path: '/api', upstream: ['http://api:3000'], token: 'user' }],
    });
    expect(warnings).toEqual([]);
    expect(source).toBe('environment');
  });

  it('names the variables to begin with when there is nothing', () => {
    expect(mistakesOf(() => loadEnvironment({}))).toEqual([
      'publicUrl: is required (in the environment: BFF_PUBLIC_URL)',
      'session.secrets: is required; make one with: openssl rand -base64 48 (in the environment: BFF_SESSION_SECRET)',
      expect.stringMatching(/^providers: needs at least one provider.*BFF_OIDC_ISSUER/),
    ]);
  });

  it('can set every scalar and every list of scalars by its path', () => {
    mkdirSync(join(folder, 'web'));
    put('web/index.html', '<!doctype html>');
    const { options } = loadEnvironment({
      ...environment,
      BFF_SERVER_PORT: '8081',
      BFF_SERVER_TRUSTED_PROXIES: '10.0.0.0/8, 192.168.0.1',
      BFF_MANAGEMENT_HOST: '0.0.0.0',
      BFF_BASE_PATH: '/auth',
      BFF_REDIS_KEY_PREFIX: 'app:',
      BFF_SESSION_IDLE: '10m',
      BFF_SESSION_SAME_SITE: 'lax',
      BFF_SESSION_COOKIE_NAME: 'app',
      BFF_SESSION_PERSISTENT: 'true',
      BFF_LOGIN_ALLOWED_RETURN_ORIGINS: 'https://a.example,https://b.example',
      BFF_USER_ANONYMOUS: '200',
      BFF_CSRF_VALUE: '2',
      BFF_ERROR_URL: '/oops',
      BFF_LOG_LEVEL: 'debug',
      BFF_FRONTEND_DIR: 'web',
      BFF_FRONTEND_CONTENT_SECURITY_POLICY: "default-src 'self'",
    });
    expect(options).toMatchObject({
      server: { port: 8081, trustedProxies: ['10.0.0.0/8', '192.168.0.1'] },
      management: { host: '0.0.0.0' },
      basePath: '/auth',
      redis: { keyPrefix: 'app:' },
      session: { idle: 600_000, sameSite: 'lax', cookieName: 'app', persistent: true },
      login: { allowedReturnOrigins: ['https://a.example', 'https://b.example'] },
      user: { anonymous: 200 },
      csrf: { value: '2' },
      errorUrl: '/oops',
      logLevel: 'debug',
      frontend: { directory: join(folder, 'web'), contentSecurityPolicy: "default-src 'self'" },
    });
  });

  it('sets every option of Redis, secrets from files too', () => {
    const { BFF_REDIS_URL: _, ...others } = environment;
    const { options } = loadEnvironment({
      ...others,
      BFF_REDIS_SENTINEL_MASTER: 'main',
      BFF_REDIS_SENTINEL_NODES: 'a:26379, b:26379',
      BFF_REDIS_SENTINEL_PASSWORD_FILE: put('sentinel', 'watch\n'),
      BFF_REDIS_USERNAME: 'app',
      BFF_REDIS_PASSWORD_FILE: put('redis', 'hidden\n'),
      BFF_REDIS_DATABASE: '2',
      BFF_REDIS_TLS_CA: put('ca.pem', 'authorities'),
      BFF_REDIS_TLS_SERVERNAME: 'redis.example.com',
    });
    expect(options.redis).toEqual({
      username: 'app',
      password: 'hidden',
      database: 2,
      keyPrefix: 'bff:',
      sentinel: { master: 'main', nodes: ['a:26379', 'b:26379'], password: 'watch' },
      tls: { ca: join(folder, 'ca.pem'), servername: 'redis.example.com' },
    });
  });

  it('describes the provider and the route by the short names', () => {
    const { options } = loadEnvironment({
      ...environment,
      BFF_OIDC_SCOPES: 'openid email,offline_access',
      BFF_OIDC_INTERNAL_URL: 'http://keycloak:8080',
      BFF_OIDC_CLIENT_AUTH: 'client_secret_post',
      BFF_API_PATH: '',
      BFF_API_TOKEN: 'optional',
    });
    expect(options.providers).toMatchObject([
      {
        scopes: ['openid', 'email', 'offline_access'],
        internalUrl: 'http://keycloak:8080',
        clientAuth: 'client_secret_post',
      },
    ]);
    expect(options.routes).toMatchObject([{ path: '/api', token: 'optional' }]);
  });

  it('takes one secret as it is, and several separated by commas, newest first', () => {
    const one = `${secret},with a comma`;
    const single = loadEnvironment({ ...environment, BFF_SESSION_SECRET: one });
    expect(single.options.session.secrets).toEqual([one]);
    const several = {
      ...environment,
      BFF_SESSION_SECRET: '',
      BFF_SESSION_SECRETS: `${secret}, ${secret}2`,
    };
    expect(loadEnvironment(several).options.session.secrets).toEqual([secret, `${secret}2`]);
  });

  it('refuses two names for one option', () => {
    const env = { ...environment, BFF_SESSION_SECRETS: secret };
    expect(mistakesOf(() => loadEnvironment(env))).toEqual([
      'session.secrets: BFF_SESSION_SECRET and BFF_SESSION_SECRETS are both set; keep one of them',
    ]);
  });

  it('turns a block off whose documentation says so', () => {
    const file = `${smallestFile}\nrateLimit: { pendingLogins: 5 }`;
    const { options, warnings } = load(file, { BFF_RATE_LIMIT: 'false' });
    expect(options.rateLimit).toEqual({ pendingLogins: 100_000 });
    expect(warnings).toEqual([]);
    expect(mistakesOf(() => load(smallestFile, { BFF_RATE_LIMIT: 'off' }))).toEqual([
      'rateLimit: must be false, or a block with options of its own (from BFF_RATE_LIMIT)',
    ]);
  });

  it('does not set an option of a block that is off', () => {
    const limit = { BFF_RATE_LIMIT_PENDING_LOGINS: '5' };
    const mistake =
      'rateLimit.pendingLogins: is set, but rateLimit is false; keep one of them (from BFF_RATE_LIMIT_PENDING_LOGINS)';
    const environmentAlone = { ...environment, ...limit, BFF_RATE_LIMIT: 'false' };
    expect(mistakesOf(() => loadEnvironment(environmentAlone))).toEqual([mistake]);
    expect(mistakesOf(() => load(`${smallestFile}\nrateLimit: false`, limit))).toEqual([mistake]);
  });

  it('names the variable that has a wrong value, and never shows a secret', () => {
    const env = {
      ...environment,
      BFF_SERVER_PORT: 'tcp://10.0.0.1:80',
      BFF_SESSION_SECRET: 'hunter2',
      BFF_OIDC_CLIENT_AUTH: 'hunter3',
      BFF_API_UPSTREAM: 'http://me:hunter4@api',
      BFF_REDIS_URL: 'http://:hunter5@redis',
      BFF_SERVER_TRUSTED_PROXIES: '10.0.0.0/8,proxy',
    };
    const mistakes = mistakesOf(() => loadEnvironment(env));
    expect(mistakes).toEqual([
      'server.port: must be a whole number from 0 to 65535 (from BFF_SERVER_PORT)',
      expect.stringMatching(/^server\.trustedProxies\[1\]: .*\(from BFF_SERVER_TRUSTED_PROXIES\)$/),
      expect.stringMatching(/^redis\.url: .*\(from BFF_REDIS_URL\)$/),
      expect.stringMatching(/^session\.secrets\[0\]: .*\(from BFF_SESSION_SECRET\)$/),
      expect.stringMatching(/^providers\[0\]\.clientAuth: .*\(from BFF_OIDC_CLIENT_AUTH\)$/),
      expect.stringMatching(/^routes\[0\]\.upstream: .*\(from BFF_API_UPSTREAM\)$/),
    ]);
    expect(mistakes.join()).not.toMatch(/hunter/);
  });

  it('does not accept provider settings that belong to no provider', () => {
    const { BFF_OIDC_ISSUER: _, ...env } = environment;
    expect(mistakesOf(() => loadEnvironment(env))).toEqual([
      'providers: BFF_OIDC_CLIENT_ID, BFF_OIDC_CLIENT_SECRET belong to a provider with the id default, and there is none; set BFF_OIDC_ISSUER or BFF_OIDC_PRESET too',
    ]);
  });

  it('says which variable completes a provider or a route', () => {
    const { BFF_OIDC_CLIENT_ID: _id, BFF_API_UPSTREAM: _upstream, ...env } = environment;
    expect(mistakesOf(() => loadEnvironment(env))).toEqual([
      'providers[0].clientId: is required (in the environment: BFF_OIDC_CLIENT_ID)',
      'routes[0].upstream: is required (in the environment: BFF_API_UPSTREAM)',
    ]);
  });
});

describe('unknown variables', () => {
  it('are warnings, because Kubernetes makes some for a service called bff', () => {
    const { warnings } = loadEnvironment({
      ...environment,
      BFF_PORT: 'tcp://10.0.0.1:80',
      BFF_SERVICE_HOST: '10.0.0.1',
      BFF_PUBLIC_ULR: 'https://secret.example',
      BFFX: 'not ours',
    });
    expect(warnings).toEqual([
      'BFF_PORT is not an option and has no effect',
      'BFF_SERVICE_HOST is not an option and has no effect',
      'BFF_PUBLIC_ULR is not an option and has no effect; did you mean BFF_PUBLIC_URL?',
    ]);
  });

  it('do not include what the file refers to', () => {
    const env = { BFF_MY_URL: 'https://my.example.com' };
    const { options, warnings } = load(
      smallestFile.replace('https://app.example.com', '${BFF_MY_URL}'),
      env,
    );
    expect(options.publicUrl).toBe('https://my.example.com');
    expect(warnings).toEqual([]);
  });
});

describe('dangerous choices', () => {
  it('are allowed with a warning each', () => {
    const { warnings } = loadEnvironment({
      ...environment,
      BFF_SERVER_TRUSTED_PROXIES: '0.0.0.0/0',
      BFF_OIDC_INTERNAL_URL: 'http://keycloak:8080',
      BFF_API_CSRF: 'false',
      BFF_FRONTEND_URL: 'http://web:5173',
      BFF_FRONTEND_CONTENT_SECURITY_POLICY: 'off',
    });
    expect(warnings).toEqual([
      expect.stringMatching(/^server\.trustedProxies contains every address/),
      expect.stringMatching(/^provider default: internalUrl is http/),
      expect.stringMatching(/^route \/api: csrf is false/),
      expect.stringMatching(/^frontend\.contentSecurityPolicy is off/),
    ]);
  });

  it('are allowed for an issuer of access tokens too, with a warning each', () => {
    const issuer =
      '{ issuer: https://legacy.example.com, audience: app, internalUrl: http://legacy,';
    const client =
      'endpoint: https://legacy.example.com/introspect, clientId: bff, clientSecret: s';
    const introspection = `introspection: { ${client}, allowMissingAudience: true } }`;
    const { warnings } = load(
      `${smallestFile}\nbearer: { issuers: [${issuer} ${introspection}] }\n`,
    );
    expect(warnings).toEqual([
      expect.stringMatching(/^bearer issuer https:\/\/legacy\.example\.com: allowMissingAudience/),
      expect.stringMatching(/^bearer issuer https:\/\/legacy\.example\.com: internalUrl is http/),
    ]);
  });
});

describe('secrets in files', () => {
  it('are read without their final line break', () => {
    const { BFF_SESSION_SECRET: _secret, BFF_OIDC_CLIENT_SECRET: _client, ...env } = environment;
    put('session', `${secret}\n`);
    const { options } = loadEnvironment({
      ...env,
      BFF_SESSION_SECRET_FILE: 'session',
      BFF_OIDC_CLIENT_SECRET_FILE: put('client', ' two lines \r\n\n'),
    });
    expect(options.session.secrets).toEqual([secret]);
    expect(options.providers[0]?.clientSecret).toBe(' two lines \r\n');
  });

  it('must be readable', () => {
    const { BFF_OIDC_CLIENT_SECRET: _, ...env } = environment;
    const start = () => loadEnvironment({ ...env, BFF_OIDC_CLIENT_SECRET_FILE: '/no/such/file' });
    expect(mistakesOf(start)).toEqual([
      'providers[0].clientSecret: BFF_OIDC_CLIENT_SECRET_FILE names the file /no/such/file, which cannot be read (ENOENT)',
    ]);
  });

  it('must not compete with the variable itself', () => {
    const env = { ...environment, BFF_SESSION_SECRET_FILE: put('session', secret) };
    expect(mistakesOf(() => loadEnvironment(env))).toEqual([
      'session.secrets: BFF_SESSION_SECRET and BFF_SESSION_SECRET_FILE are both set; keep one of them',
    ]);
  });

  it('are named when what they hold will not do', () => {
    const { BFF_SESSION_SECRET: _, ...env } = environment;
    const start = () => loadEnvironment({ ...env, BFF_SESSION_SECRET_FILE: put('session', '') });
    expect(mistakesOf(start)).toEqual([
      'session.secrets[0]: is empty; give it a value or remove it (from BFF_SESSION_SECRET_FILE)',
    ]);
  });
});

describe('the file', () => {
  it('may be small', () => {
    const { options, source } = load(smallestFile);
    expect(options.providers).toMatchObject([
      { id: 'corp', name: 'corp', scopes: ['openid', 'profile', 'email'] },
    ]);
    expect(options.routes).toEqual([]);
    expect(source).toBe(join(folder, 'file.yaml'));
  });

  it('is the argument, else BFF_CONFIG, else bff.yaml in the working directory', () => {
    put('bff.yaml', withHost('usual.example'));
    put('other.yaml', withHost('other.example'));
    put('given.yaml', withHost('given.example'));
    const env = { BFF_CONFIG: 'other.yaml' };
    const urls = [
      loadOptions({ file: 'given.yaml', env, cwd: folder }),
      loadOptions({ env, cwd: folder }),
      loadOptions({ env: {}, cwd: folder }),
    ].map(({ options }) => options.publicUrl);
    expect(urls).toEqual([
      'https://given.example.com',
      'https://other.example.com',
      'https://usual.example.com',
    ]);
  });

  it('must exist if it is named', () => {
    const start = () => loadOptions({ env: { BFF_CONFIG: 'no.yaml' }, cwd: folder });
    expect(mistakesOf(start)).toEqual([
      `configuration: the file ${join(folder, 'no.yaml')} cannot be read (ENOENT)`,
    ]);
  });

  it('gives way to the environment', () => {
    const { options } = load(
      `${smallestFile}\nserver: { port: 1, host: 10.0.0.1 }\nlogLevel: warn`,
      {
        BFF_SERVER_PORT: '2',
        BFF_LOG_LEVEL: 'error',
        BFF_SESSION_SECRET: `${secret}-newer`,
      },
    );
    expect(options.server).toMatchObject({ port: 2, host: '10.0.0.1' });
    expect(options.logLevel).toBe('error');
    expect(options.session.secrets).toEqual([`${secret}-newer`]);
  });

  it('keeps its providers and routes when the environment adds one', () => {
    const routes =
      '\nroutes: [{ path: /a, upstream: http://a }, { path: /api, upstream: http://b, timeout: 5s }]';
    const { options } = load(smallestFile + routes, {
      BFF_OIDC_ISSUER: 'https://second.example.com',
      BFF_OIDC_CLIENT_ID: 'second',
      BFF_OIDC_CLIENT_AUTH: 'none',
      BFF_API_UPSTREAM: 'http://c',
    });
    expect(options.providers.map(({ id }) => id)).toEqual(['corp', 'default']);
    expect(options.routes).toMatchObject([
      { path: '/a', upstream: ['http://a'] },
      { path: '/api', upstream: ['http://c'], timeout: 5000 },
    ]);
  });

  it('may describe the provider default, which the environment then completes', () => {
    const { options } = load(
      smallestFile.replace('id: corp', 'id: default').replace(', clientSecret: s', ''),
      {
        BFF_OIDC_CLIENT_SECRET: 'from-environment',
      },
    );
    expect(options.providers).toMatchObject([
      { id: 'default', issuer: 'https://login.example.com', clientSecret: 'from-environment' },
    ]);
  });

  it('may leave keys without a value, which is the same as leaving them out', () => {
    const { options } = load(`${smallestFile}\nfrontend:\nerrorUrl:\nserver: { port: }\nroutes:`);
    expect(options).toMatchObject({ server: { port: 8080 }, routes: [] });
    expect(options.frontend).toBeUndefined();
  });

  it('may not hide a senseless number behind a default', () => {
    expect(mistakesOf(() => load(`${smallestFile}\nserver: { port: .inf }`))).toEqual([
      'server.port: must be a whole number from 0 to 65535',
    ]);
  });

  it('resolves paths against its own folder, the environment against the working directory', () => {
    mkdirSync(join(folder, 'conf'));
    for (const name of ['conf/cert.pem', 'key.pem']) put(name, 'pem');
    put('conf/bff.yaml', `${smallestFile}\nserver: { tls: { cert: cert.pem } }`);
    const { options } = loadOptions({
      file: 'conf/bff.yaml',
      env: { BFF_SERVER_TLS_KEY: 'key.pem' },
      cwd: folder,
    });
    expect(options.server.tls).toEqual({
      cert: join(folder, 'conf', 'cert.pem'),
      key: join(folder, 'key.pem'),
    });
  });

  it.each([
    [
      'a duplicate key',
      'publicUrl: a\npublicUrl: b',
      'line 2, column 1: this key is there twice; remove one of them',
    ],
    [
      'a tab',
      'server:\n\tport: 1',
      'line 2, column 1: YAML is indented with blanks, not with tabs',
    ],
    [
      'an open quote',
      'a: 1\nb: "hunter2',
      'line 2, column 12: this is not valid YAML (missing char)',
    ],
    ['an open bracket', 'a: [hunter2', 'line 1, column 12: this is not valid YAML (bad indent)'],
    [
      'an alias of itself',
      'a: &a [*a]',
      'the file uses a YAML alias that leads nowhere or to too much; write it out',
    ],
    [
      'an unknown alias',
      'a: *hunter2',
      'the file uses a YAML alias that leads nowhere or to too much; write it out',
    ],
    ['a list', '- a', 'must be a block with options of its own'],
    ['text', 'hunter2', 'must be a block with options of its own'],
  ])('is refused for %s', (_name, content, sentence) => {
    expect(mistakesOf(() => load(content))).toEqual([`configuration: ${sentence}`]);
  });

  it('keeps its own mistakes when the environment sets something inside them', () => {
    const file = `${smallestFile}\nserver: 8080\nroutes: { path: /api }`;
    const env = { BFF_SERVER_PORT: '1', BFF_API_UPSTREAM: 'http://api' };
    expect(mistakesOf(() => load(file, env))).toEqual([
      'server: must be a block with options of its own',
      'routes: must be a list',
    ]);
  });
});

describe('references to the environment in the file', () => {
  it.each([
    ['plain', 'redis: { url: ${REDIS} }'],
    ['quoted', 'redis: { "url": "${REDIS}" }'],
    ['in a block', 'redis:\n  url: ${REDIS} # where sessions are'],
    ['in the middle', 'redis: { url: redis://${HOST}:${PORT} }'],
  ])('are replaced: %s', (_name, redis) => {
    const file = smallestFile.replace('redis: { url: redis://redis:6379 }', redis);
    const env = { REDIS: 'redis://other:6379', HOST: 'other', PORT: '6379' };
    expect(load(file, env).options.redis?.url).toBe('redis://other:6379');
  });

  it('are replaced in lists, with numbers and with the content of files', () => {
    const file = smallestFile.replace(secret, '${SECRET}, ${OLD_SECRET}');
    const { options } = load(`${file}\nserver: { port: ${'${PORT}'} }`, {
      SECRET: secret,
      OLD_SECRET_FILE: put('old', `${secret}-old\n`),
      PORT: '1234',
    });
    expect(options.session.secrets).toEqual([secret, `${secret}-old`]);
    expect(options.server.port).toBe(1234);
  });

  it('cannot add options or refer to further variables', () => {
    const file = smallestFile.replace('clientId: spa', 'clientId: ${ID}, name: ${NAME}');
    const { options } = load(file, { ID: 'spa }, { id: x', NAME: '${ID}' });
    expect(options.providers).toMatchObject([{ clientId: 'spa }, { id: x', name: '${ID}' }]);
  });

  it.each<Record<string, string>>([{}, { REDIS: '' }])('must be set: %j', (env) => {
    const file = smallestFile.replace('redis://redis:6379', '${REDIS}');
    expect(mistakesOf(() => load(file, env))).toEqual([
      'redis.url: refers to ${REDIS}, but neither REDIS nor REDIS_FILE is set; set one of them',
    ]);
  });

  it('are named when their value will not do', () => {
    const file = smallestFile.replace(secret, '${SECRET}');
    const [mistake] = mistakesOf(() => load(file, { SECRET: 'hunter2' }));
    expect(mistake).toMatch(/^session\.secrets\[0\]: has 7 bytes.*\(from \$\{SECRET\}\)$/);
  });
});

describe('a configuration error', () => {
  it('has one line for each mistake', () => {
    expect(() =>
      parseOptions({ publicUrl: 'x', session: { secrets: [secret] }, providers: [] }),
    ).toThrow(
      [
        'The configuration has 2 mistakes:',
        '  publicUrl: must be a complete address, like https://login.example.com',
        '  providers: needs at least one provider with issuer and clientId (BFF_OIDC_ISSUER, …)',
      ].join('\n'),
    );
  });
});
