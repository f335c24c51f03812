import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, parseOptions } from '../../src/config/load.ts';

const secret = 'kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U';
const provider = {
  id: 'corp',
  issuer: 'https://login.example.com',
  clientId: 'spa',
  clientSecret: 's',
};
const route = { path: '/api', upstream: 'http://api:3000' };
const smallest = {
  publicUrl: 'https://app.example.com',
  redis: { url: 'rediss://redis:6380' },
  session: { secrets: [secret] },
  providers: [provider],
};

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bff-options-'));
  mkdirSync(join(folder, 'web'));
  mkdirSync(join(folder, 'empty'));
  writeFileSync(join(folder, 'web', 'index.html'), '<!doctype html>');
  writeFileSync(join(folder, 'cert.pem'), 'certificate');
  writeFileSync(join(folder, 'key.pem'), 'key');
});

afterAll(() => rmSync(folder, { recursive: true }));

/** The mistakes of the smallest configuration with some blocks replaced, as `path: message`. */
function mistakesWith(changes: object): string[] {
  try {
    parseOptions({ ...smallest, ...changes }, { baseDir: folder });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.mistakes.map(({ path, message }) => `${path}: ${message}`);
  }
}

const parse = (changes: object) => parseOptions({ ...smallest, ...changes }, { baseDir: folder });
const inProvider = (changes: object) => ({ providers: [{ ...provider, ...changes }] });
const inRoute = (changes: object) => ({ routes: [{ ...route, ...changes }] });
const inSession = (changes: object) => ({ session: { secrets: [secret], ...changes } });

describe('the smallest configuration', () => {
  it('keeps the limit of pending logins with rateLimit: false', () => {
    expect(parse({ rateLimit: false })?.rateLimit).toEqual({ pendingLogins: 100_000 });
    expect(parse({ rateLimit: { pendingLogins: 5 } })?.rateLimit).toEqual({ pendingLogins: 5 });
  });

  it('gets every default the documentation promises', () => {
    expect(parse({ routes: [route] })).toEqual({
      publicUrl: 'https://app.example.com',
      server: { port: 8080, host: '0.0.0.0', trustedProxies: [], workers: 1 },
      management: { port: 9090, host: '127.0.0.1', hosts: [] },
      basePath: '/bff',
      redis: { url: 'rediss://redis:6380', keyPrefix: 'bff:' },
      session: {
        secrets: [secret],
        idle: 30 * 60_000,
        absolute: 8 * 3_600_000,
        sameSite: 'strict',
        cookieName: 'bff',
        persistent: false,
        refreshAhead: 60_000,
        maxPerUser: 100,
        maxWebSockets: 100,
      },
      providers: [
        {
          id: 'corp',
          name: 'corp',
          type: 'oidc',
          issuer: 'https://login.example.com',
          clientId: 'spa',
          clientSecret: 's',
          clientAuth: 'client_secret_basic',
          scopes: ['openid', 'profile', 'email'],
          loginParams: [],
          authorizationParams: {},
          par: 'auto',
          jar: false,
          jarm: false,
          dpop: false,
          responseMode: 'query',
          frontchannelLogout: false,
          logoutToken: { allowMissingExp: false, allowUntyped: false },
          idTokenAlgorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
          timeout: 10_000,
          maxResponse: 1024 ** 2,
        },
      ],
      routes: [
        {
          path: '/api',
          upstream: ['http://api:3000'],
          token: 'user',
          session: 'required',
          signedOut: 'problem',
          stripPrefix: false,
          timeout: 30_000,
          maxBody: 100 * 1024 ** 2,
          websocket: true,
          csrf: true,
          retry: 1,
          http2: false,
          headers: { set: {}, remove: [], pass: [] },
          clients: ['browser'],
          scopes: [],
          forwardToken: true,
        },
      ],
      login: { defaultReturnUrl: '/', allowedReturnOrigins: [], chooser: false },
      csrf: { header: 'X-CSRF', value: '1' },
      user: { anonymous: 401, format: 'object' },
      logLevel: 'info',
      rateLimit: { pendingLogins: 100_000 },
    });
  });

  it('needs no Redis on localhost', () => {
    const options = parse({ publicUrl: 'http://localhost:8080', redis: undefined });
    expect(options.redis).toBeUndefined();
  });
});

describe('values that are accepted', () => {
  it.each([
    [{ publicUrl: 'https://APP.example.com:443/' }, { publicUrl: 'https://app.example.com' }],
    [{ publicUrl: 'http://localhost:8080' }, { publicUrl: 'http://localhost:8080' }],
    [{ publicUrl: 'http://127.0.0.1:8080' }, { publicUrl: 'http://127.0.0.1:8080' }],
    [{ server: { port: '0' } }, { server: { port: 0 } }],
    [
      { server: { trustedProxies: ['10.0.0.0/8', '::1', 'fd00::/8'] } },
      { server: { trustedProxies: ['10.0.0.0/8', '::1', 'fd00::/8'] } },
    ],
    [{ server: { port: 0 }, management: { port: 0 } }, { management: { port: 0 } }],
    [{ basePath: '/auth/bff' }, { basePath: '/auth/bff' }],
    [{ redis: { url: 'redis://user:pw@redis:6379/2' } }, {}],
    [inSession({ persistent: 'true', sameSite: 'lax' }), { session: { persistent: true } }],
    [inSession({ idle: '1h', absolute: '1h' }), { session: { idle: 3_600_000 } }],
    [inSession({ refreshAhead: '5m' }), { session: { refreshAhead: 300_000 } }],
    [
      inProvider({ issuer: 'https://login.example.com/' }),
      { providers: [{ issuer: 'https://login.example.com/' }] },
    ],
    [inProvider({ issuer: 'http://localhost:9000/realms/a' }), {}],
    [inProvider({ issuer: 'http://127.8.9.1:9000' }), {}],
    [inProvider({ issuer: 'http://[::1]:9000' }), {}],
    [
      inProvider({ internalUrl: 'http://keycloak:8080/' }),
      { providers: [{ internalUrl: 'http://keycloak:8080' }] },
    ],
    [inProvider({ tokenEndpoint: 'https://x.example/token?tenant=1' }), {}],
    [inProvider({ clientAuth: 'none', clientSecret: undefined }), {}],
    [inProvider({ clientAuth: 'client_secret_post' }), {}],
    [inProvider({ idTokenAlgorithms: ['PS512', 'ES384', 'Ed25519'] }), {}],
    [inProvider({ loginParams: ['kc_idp_hint'] }), {}],
    [inProvider({ authorizationParams: { audience: 'https://api.example.com' } }), {}],
    [inProvider({ name: 'Corporate' }), { providers: [{ name: 'Corporate' }] }],
    [inRoute({ path: '/' }), { routes: [{ path: '/' }] }],
    [inRoute({ path: '/bffs' }), { routes: [{ path: '/bffs' }] }],
    [
      inRoute({ upstream: ['https://api.example.com/v1/'] }),
      { routes: [{ upstream: ['https://api.example.com/v1'] }] },
    ],
    [
      inRoute({ provider: 'corp', idleTimeout: '1m', maxBody: 10 }),
      { routes: [{ idleTimeout: 60_000, maxBody: 10 }] },
    ],
    [
      inRoute({
        token: 'none',
        headers: { set: { 'X-Api-Key': 'k' }, remove: ['X-A'], pass: ['Authorization'] },
      }),
      {
        routes: [
          { headers: { set: { 'x-api-key': 'k' }, remove: ['x-a'], pass: ['authorization'] } },
        ],
      },
    ],
    [{ frontend: { url: 'http://web:5173', contentSecurityPolicy: 'off' } }, {}],
    [
      { login: { allowedReturnOrigins: ['https://www.example.com/'] } },
      { login: { allowedReturnOrigins: ['https://www.example.com'] } },
    ],
    [{ login: { defaultReturnUrl: '/home?tab=1#top' } }, {}],
    [{ csrf: { header: 'X-Requested-With', value: 2 } }, { csrf: { value: '2' } }],
    [{ user: { anonymous: '200', format: 'claims-array' } }, { user: { anonymous: 200 } }],
    [{ logLevel: 'silent', errorUrl: '/signin-error' }, {}],
  ])('accepts %j', (changes, expected) => {
    expect(parse(changes)).toMatchObject(expected);
  });

  it('resolves files and directories against the given folder', () => {
    const options = parse({
      server: { tls: { cert: 'cert.pem', key: './key.pem' } },
      frontend: { directory: 'web' },
    });
    expect(options.server.tls).toEqual({
      cert: join(folder, 'cert.pem'),
      key: join(folder, 'key.pem'),
    });
    expect(options.frontend).toMatchObject({ directory: join(folder, 'web') });
  });
});

describe('our own address', () => {
  it.each([
    [undefined, 'is required'],
    ['http://app.example.com', 'must be https'],
    ['http://localhost.example.com', 'must be https'],
    ['http://[::1]:8080', 'must be https'],
    ['http://127.0.0.2', 'must be https'],
    ['https://app.example.com/app', 'must be an origin only'],
    ['https://app.example.com/?a', 'must be an origin only'],
    ['https://app.example.com/#', 'must be an origin only'],
    ['https://me:pw@app.example.com', 'must not contain a user name or password'],
    ['https:app.example.com', 'must be a complete address'],
    ['https:\\\\app.example.com', 'must be a complete address'],
    [' https://app.example.com', 'must be a complete address'],
    ['app.example.com', 'must be a complete address'],
    ['ftp://app.example.com', 'must be https'],
    ['', 'is empty'],
    [7, 'must be text'],
  ])('is not %j', (publicUrl, sentence) => {
    const [mistake] = mistakesWith({ publicUrl });
    expect(mistake).toMatch(`publicUrl: ${sentence}`);
  });

  it.each([
    ['/', 'must not be / alone'],
    ['bff', 'must begin with /'],
    ['/bff/', 'must not end with /'],
    ['/a//b', 'must not contain //'],
    ['/a/../b', 'must not contain //, /./'],
    ['/b%66f', 'must be written without percent-encoding'],
    ['/:id', 'may contain only'],
    ['/bff*', 'may contain only'],
  ])('has no base path %j', (basePath, sentence) => {
    expect(mistakesWith({ basePath })[0]).toMatch(`basePath: ${sentence}`);
  });
});

describe('listeners', () => {
  it.each([
    [{ server: { port: 65_536 } }, 'server.port: must be a whole number from 0 to 65535'],
    [{ server: { port: '80a' } }, 'server.port: must be a whole number'],
    [{ server: { port: 1.5 } }, 'server.port: must be a whole number'],
    [{ server: { host: '' } }, 'server.host: is empty'],
    [
      { server: { trustedProxies: ['proxy'] } },
      'server.trustedProxies[0]: must be an IP address or a range',
    ],
    [
      { server: { trustedProxies: ['10.0.0.0/33'] } },
      'server.trustedProxies[0]: must be an IP address',
    ],
    [
      { server: { trustedProxies: ['10.0.0.0/'] } },
      'server.trustedProxies[0]: must be an IP address',
    ],
    [{ server: { trustedProxies: '10.0.0.0/8' } }, 'server.trustedProxies: must be a list'],
    [{ server: 8080 }, 'server: must be a block with options of its own'],
    [{ server: { tls: { cert: 'cert.pem' } } }, 'server.tls.key: is required'],
    [{ server: { tls: { key: 'key.pem' } } }, 'server.tls.cert: is required'],
    [{ server: { tls: { cert: 'no.pem', key: 'key.pem' } } }, 'server.tls.cert: there is no file '],
    [{ server: { tls: { cert: 'empty', key: 'key.pem' } } }, 'server.tls.cert: there is no file '],
    [{ management: { port: 8080 } }, 'management.port: is 8080 and server.port is 8080'],
    [{ management: { port: 'x' } }, 'management.port: must be a whole number'],
  ])('refuses %j', (changes, sentence) => {
    const mistakes = mistakesWith(changes);
    expect(mistakes).toEqual([expect.stringContaining(sentence)]);
  });

  it.each([
    [4, 4],
    ['4', 4],
    ['auto', availableParallelism()],
  ])('runs as many workers as %j says', (workers, count) => {
    expect(parse({ server: { workers } }).server.workers).toBe(count);
  });

  it.each([0, 1.5, 'all'])('does not run %j workers', (workers) => {
    const sentence = 'server.workers: must be a whole number from 1 to 1024, or auto';
    expect(mistakesWith({ server: { workers } })).toEqual([sentence]);
  });

  it('does not run several workers whose sessions would differ', () => {
    const alone = { publicUrl: 'http://localhost:8080', redis: undefined };
    expect(mistakesWith({ ...alone, server: { workers: 2 } })).toEqual([
      'server.workers: is 2, but without redis.url each process would have sessions of its own; configure redis or leave it at 1',
    ]);
    expect(mistakesWith({ ...alone, server: { workers: 1 } })).toEqual([]);
  });

  it('does not show a private key that was put where its path belongs', () => {
    const key = '-----BEGIN PRIVATE KEY-----\nMIIabc';
    const mistakes = mistakesWith({ server: { tls: { cert: 'cert.pem', key } } });
    expect(mistakes).toEqual(['server.tls.key: must be the path of a file, not its content']);
  });
});

describe('redis', () => {
  it('is required behind https, where restarts and replicas must not sign people out', () => {
    expect(mistakesWith({ redis: undefined })).toEqual([
      expect.stringContaining(
        'redis.url: is required because publicUrl is https://app.example.com',
      ),
    ]);
  });

  it.each([
    ['http://redis:6379', 'must be an address like redis://'],
    ['redis:6379', 'must be an address like redis://'],
    ['redis://', 'must be an address like redis://'],
    ['redis://:hunter2@redis/x', 'may end in a database number'],
    ['redis://:hunter2@redis/0?tls=true', 'may end in a database number'],
  ])('is not at %j', (url, sentence) => {
    const [mistake] = mistakesWith({ redis: { url } });
    expect(mistake).toMatch(`redis.url: ${sentence}`);
    expect(mistake).not.toContain('hunter2');
  });

  it('needs an address if it is configured at all', () => {
    expect(mistakesWith({ redis: { keyPrefix: 'a:' } })).toEqual([
      'redis.url: is required, or redis.sentinel or redis.cluster in its place',
    ]);
  });

  const url = 'redis://redis:6379';
  const sentinel = { master: 'main', nodes: ['a:26379', 'b:26379'] };
  const cluster = { nodes: ['a:6379', '[::1]:6379'] };

  it.each([
    { url, username: 'app', password: 'p', database: 2 },
    { url: 'redis://app:p%40@redis/2', username: 'app', password: 'p@', database: '2' },
    { url: 'redis://:p@redis', username: 'app' },
    { url, tls: {} },
    { sentinel: { ...sentinel, username: 'u', password: 's' }, password: 'p', database: 3 },
    { cluster, username: 'app', password: 'p', database: 0 },
    { cluster, tls: { servername: 'redis.example.com', cert: 'cert.pem', key: 'key.pem' } },
  ])('may be %j', (redis) => {
    expect(mistakesWith({ redis })).toEqual([]);
  });

  it.each([
    [{ url, sentinel }, ['redis.sentinel: is set beside redis.url; keep one of them']],
    [{ sentinel, cluster }, ['redis.cluster: is set beside redis.sentinel; keep one of them']],
    [
      { url, sentinel, cluster },
      [
        'redis.sentinel: is set beside redis.url; keep one of them',
        'redis.cluster: is set beside redis.url; keep one of them',
      ],
    ],
    [
      { url: 'redis://a:hunter2@redis/2', username: 'b', password: 'hunter3', database: 3 },
      [
        'redis.username: is not the user that redis.url names; keep one of them',
        'redis.password: is not the password that redis.url contains; keep one of them',
        'redis.database: is 3 and redis.url ends in 2; keep one of them',
      ],
    ],
    [
      { cluster, database: 1 },
      ['redis.database: is 1, but Redis Cluster has only database 0; remove it'],
    ],
    [{ url, username: 'app' }, ['redis.password: is required because redis.username is set']],
    [
      { sentinel: { ...sentinel, username: 'app' } },
      ['redis.sentinel.password: is required because redis.sentinel.username is set'],
    ],
    [{ sentinel: { nodes: ['a:1'] } }, ['redis.sentinel.master: is required']],
    [
      { sentinel: { master: 'main', nodes: [] } },
      ['redis.sentinel.nodes: needs at least one address'],
    ],
    [{ cluster: {} }, ['redis.cluster.nodes: is required']],
    [
      { url, tls: { cert: 'cert.pem' } },
      ['redis.tls.key: is required because redis.tls.cert is set'],
    ],
    [
      { url, tls: { key: 'key.pem' } },
      ['redis.tls.cert: is required because redis.tls.key is set'],
    ],
    [
      { url: 'redis://:hunter2%zz@redis' },
      ['redis.url: has a % in its user or password that encodes nothing; write %25 for it'],
    ],
    [{ url, database: -1 }, ['redis.database: must be a whole number from 0 to 1000000']],
  ])('may not be %j', (redis, mistakes) => {
    expect(mistakesWith({ redis })).toEqual(mistakes);
  });

  it('needs files that are there', () => {
    expect(mistakesWith({ redis: { url, tls: { ca: 'missing.pem' } } })).toEqual([
      expect.stringMatching(/^redis\.tls\.ca: there is no file .*missing\.pem$/),
    ]);
  });

  it.each([
    'a',
    'a:0',
    'a:65536',
    'redis://a:1',
    'u:hunter2@a:1',
    ':1',
    '::1:6379',
    '[a]:1',
    'a b:1',
  ])('has no node at %j', (node) => {
    const mistakes = mistakesWith({ redis: { cluster: { nodes: [node] } } });
    expect(mistakes).toEqual([
      'redis.cluster.nodes[0]: must be host:port, like redis-1:6379; no scheme, user or password',
    ]);
  });
});

describe('sessions', () => {
  it.each([
    [[], 'session.secrets: needs at least one secret'],
    [['too-short'], 'has 9 bytes and needs at least 32'],
    [['a'.repeat(64)], 'repeats itself'],
    [['keyboard cat '.repeat(4)], 'repeats itself'],
    [['abc123'.repeat(6)], 'repeats itself'],
    [['change-me-change-this-before-production'], 'is a placeholder'],
    [['please-use-your-own-secret-keyboard cat'], 'is a placeholder'],
    [[secret, 'short'], 'session.secrets[1]: has 5 bytes'],
  ])('do not accept the secrets %j', (secrets, sentence) => {
    const mistakes = mistakesWith({ session: { secrets } });
    expect(mistakes).toEqual([expect.stringContaining(sentence)]);
    expect(mistakes[0]).toContain('openssl rand -base64 48');
    for (const one of secrets) expect(mistakes[0]).not.toContain(one);
  });

  it('count the bytes of a secret, not its characters', () => {
    expect(mistakesWith({ session: { secrets: ['äöüßéèêñçøåæœðþłš'] } })).toEqual([]);
  });

  it('need secrets even if nothing else is said about them', () => {
    expect(mistakesWith({ session: undefined })).toEqual([
      'session.secrets: is required; make one with: openssl rand -base64 48',
    ]);
  });

  it.each([
    [{ idle: '9h' }, 'session.idle: is 540m, longer than session.absolute (480m)'],
    [{ idle: '0s' }, 'session.idle: must be more than 0'],
    [{ absolute: '0d' }, 'session.absolute: must be more than 0'],
    [{ absolute: '401d' }, 'session.absolute: must be more than 0 and at most 400d'],
    [{ idle: 1800 }, 'session.idle: must be a duration with a unit'],
    [{ idle: '1800' }, 'session.idle: must be a duration with a unit'],
    [{ cookieName: 'shop-login' }, 'session.cookieName: must not end in -login'],
    [{ refreshAhead: '0s' }, 'session.refreshAhead: must be more than 0'],
    [{ sameSite: 'none' }, 'session.sameSite: must be one of strict, lax'],
    [{ cookieName: '__Host-bff;' }, 'session.cookieName: may contain only'],
    [{ persistent: 'yes' }, 'session.persistent: must be true or false'],
  ])('refuse %j', (changes, sentence) => {
    expect(mistakesWith(inSession(changes))).toEqual([expect.stringContaining(sentence)]);
  });
});

describe('providers', () => {
  it.each([undefined, []])('are needed: %j is not enough', (providers) => {
    expect(mistakesWith({ providers })).toEqual([
      expect.stringContaining('providers: needs at least one provider'),
    ]);
  });

  it.each([
    [{ id: undefined }, 'providers[0].id: is required'],
    [{ id: 'Corp' }, 'providers[0].id: may contain only lower-case letters'],
    [{ id: '-corp' }, 'providers[0].id: may contain only lower-case letters'],
    [{ issuer: undefined }, 'providers[0].issuer: is required'],
    [{ clientId: undefined }, 'providers[0].clientId: is required'],
    [{ clientId: 4711 }, 'providers[0].clientId: must be text; put the number in quotes'],
    [{ issuer: 'http://login.example.com' }, 'providers[0].issuer: must be https'],
    [{ issuer: 'http://127.evil.example' }, 'providers[0].issuer: must be https'],
    [{ issuer: 'https://login.example.com?tenant=1' }, 'providers[0].issuer: must have no query'],
    [{ issuer: 'https://login.example.com#' }, 'providers[0].issuer: must have no query'],
    [
      { issuer: 'https://me@login.example.com' },
      'providers[0].issuer: must not contain a user name',
    ],
    [{ issuer: 'login.example.com' }, 'providers[0].issuer: must be a complete address'],
    [
      { internalUrl: 'http://keycloak:8080/realms/a' },
      'providers[0].internalUrl: must be an origin only',
    ],
    [
      { authorizationEndpoint: '/authorize' },
      'providers[0].authorizationEndpoint: must be a complete',
    ],
    [{ tokenEndpoint: 'http://login.example.com/t' }, 'providers[0].tokenEndpoint: must be https'],
    [
      { userinfoEndpoint: 'https://x.example/#u' },
      'providers[0].userinfoEndpoint: must have no fragment',
    ],
    [{ jwksUri: 'file:///keys' }, 'providers[0].jwksUri: must be a complete address'],
    [
      { endSessionEndpoint: 'ftp://x.example/' },
      'providers[0].endSessionEndpoint: must begin with http',
    ],
    [{ revocationEndpoint: 'http://x.example/' }, 'providers[0].revocationEndpoint: must be https'],
    [
      { clientSecret: undefined },
      'clientSecret: is required because clientAuth is client_secret_basic',
    ],
    [{ clientAuth: 'none' }, 'clientSecret: is set, but clientAuth is none'],
    [{ clientAuth: 'basic' }, 'providers[0].clientAuth: must be one of client_secret_basic'],
    [{ scopes: ['profile'] }, 'providers[0].scopes: must contain openid'],
    [{ scopes: ['openid profile'] }, 'providers[0].scopes[0]: must be one scope'],
    [{ par: 'always' }, 'providers[0].par: must be one of auto, required, never'],
    [{ idTokenAlgorithms: [] }, 'providers[0].idTokenAlgorithms: needs at least one'],
    [{ idTokenAlgorithms: ['none'] }, 'idTokenAlgorithms[0]: must not be none or HS*'],
    [{ idTokenAlgorithms: ['HS256'] }, 'idTokenAlgorithms[0]: must not be none or HS*'],
    [{ idTokenAlgorithms: ['RS1'] }, 'idTokenAlgorithms[0]: must be one of RS256'],
    [{ timeout: '25d' }, 'providers[0].timeout: must be more than 0 and at most 24d'],
    [{ maxResponse: '0' }, 'providers[0].maxResponse: must be a size above zero'],
    [{ type: 'saml' }, 'providers[0].type: must be one of oidc, oauth2'],
    [{ loginParams: ['a b'] }, 'loginParams[0]: must be the name of a query parameter'],
  ])('refuse %j', (changes, sentence) => {
    expect(mistakesWith(inProvider(changes))).toEqual([expect.stringContaining(sentence)]);
  });

  it.each(
    `client_id redirect_uri response_type response_mode scope state nonce code_challenge
    code_challenge_method request request_uri dpop_jkt returnUrl provider`.split(/\s+/),
  )('do not let the browser choose %s', (name) => {
    expect(mistakesWith(inProvider({ loginParams: [name] }))).toEqual([
      `providers[0].loginParams[0]: ${name} belongs to the BFF itself; remove it`,
    ]);
  });

  it.each([
    ['scope', 'use scopes'],
    ['resource', 'use resource of a route'],
    ['client_id', 'use clientId'],
    ['redirect_uri', 'it follows from publicUrl, basePath and id'],
    ['response_type', 'it is always code'],
    ['response_mode', 'use responseMode or jarm'],
    ['state', 'it is new for every sign-in'],
    ['nonce', 'it is new for every sign-in'],
    ['code_challenge', 'it is new for every sign-in'],
    ['code_challenge_method', 'it is always S256'],
    ['request', 'use jar'],
    ['request_uri', 'use par'],
    ['dpop_jkt', 'use dpop'],
    ['client_secret', 'use clientSecret'],
    ['prompt', 'it belongs to one sign-in: a link sets it, as in /bff/login?prompt='],
    ['max_age', 'a link sets it, as in /bff/login?max_age=300; for a route use maxAge'],
    ['acr_values', 'a link sets it, as in /bff/login?acr_values=…; for a route use acr'],
  ])('do not fix %s, and say what to use instead', (name, remedy) => {
    const mistakes = mistakesWith(inProvider({ authorizationParams: { [name]: 'x' } }));
    expect(mistakes).toEqual([
      expect.stringMatching(
        new RegExp(
          `^providers\\[0\\]\\.authorizationParams\\.${name}: is a parameter of the protocol`,
        ),
      ),
    ]);
    expect(mistakes[0]).toContain(remedy);
  });

  it.each([
    [{ audience: '' }, 'providers[0].authorizationParams.audience: is empty'],
    [{ audience: 1 }, 'providers[0].authorizationParams.audience: must be text'],
    [{ audience: ['a'] }, 'providers[0].authorizationParams.audience: must be text'],
    [{ 'a b': 'x' }, 'must have the name of a query parameter'],
    ['audience=x', 'providers[0].authorizationParams: must be a block'],
  ])('refuse the fixed parameters %j', (authorizationParams, sentence) => {
    expect(mistakesWith(inProvider({ authorizationParams }))).toEqual([
      expect.stringContaining(sentence),
    ]);
  });

  it('may be several, of one issuer too, but not with the same id, or as the same client', () => {
    const second = { ...provider, id: 'partner', issuer: 'https://login.partner.example' };
    const sibling = { ...provider, id: 'sibling', clientId: 'sibling' };
    expect(mistakesWith({ providers: [provider, second, sibling] })).toEqual([]);
    expect(mistakesWith({ providers: [provider, { ...sibling, clientId: 'spa' }] })).toEqual([
      expect.stringContaining('providers[1].clientId: is spa, and providers[0] is the same client'),
    ]);
    expect(mistakesWith({ providers: [provider, provider] })).toEqual([
      expect.stringContaining('providers[1].id: is corp, which is already the id of providers[0]'),
      expect.stringContaining('providers[1].clientId: is spa, and providers[0] is the same client'),
    ]);
  });
});

describe('routes', () => {
  it.each([
    [{ path: undefined }, 'routes[0].path: is required'],
    [{ path: 'api' }, 'routes[0].path: must begin with /'],
    [{ path: '/api/' }, 'routes[0].path: must not end with /'],
    [{ path: '/a/./b' }, 'routes[0].path: must not contain //, /./'],
    [{ path: '/a/..' }, 'routes[0].path: must not contain //, /./'],
    [{ path: '//api' }, 'routes[0].path: must not contain //'],
    [{ path: '/%61pi' }, 'routes[0].path: must be written without percent-encoding'],
    [{ path: '/api;v=1' }, 'routes[0].path: may contain only'],
    [{ path: '/api?x' }, 'routes[0].path: may contain only'],
    [{ path: '/bff' }, 'routes[0].path: is /bff, but basePath is /bff'],
    [{ path: '/bff/api' }, 'routes[0].path: is /bff/api, but basePath is /bff'],
    [{ upstream: undefined }, 'routes[0].upstream: is required'],
    [{ upstream: [] }, 'routes[0].upstream: needs one address'],
    [{ upstream: 'api:3000' }, 'routes[0].upstream: must be a complete address'],
    [{ upstream: 'http://api:3000?x=1' }, 'routes[0].upstream: must have no query'],
    [{ upstream: 'http://api:3000/#x' }, 'routes[0].upstream: must have no query and no fragment'],
    [{ upstream: 'http://me:pw@api:3000' }, 'routes[0].upstream: must not contain a user name'],
    [{ upstream: 'ws://api:3000' }, 'routes[0].upstream: must begin with http'],
    [{ upstream: { a: 1 } }, 'routes[0].upstream: must be an address'],
    [{ token: 'maybe' }, 'routes[0].token: must be one of user, optional, none'],
    [{ provider: 'other' }, 'routes[0].provider: is other, but the providers are corp'],
    [{ stripPrefix: 1 }, 'routes[0].stripPrefix: must be true or false'],
    [{ timeout: '30' }, 'routes[0].timeout: must be a duration'],
    [{ idleTimeout: '0s' }, 'routes[0].idleTimeout: must be more than 0'],
    [{ maxBody: '50 apples' }, 'routes[0].maxBody: must be a size'],
    [{ csrf: 'off' }, 'routes[0].csrf: must be true or false'],
    [
      { headers: { set: { Authorization: 'x' } } },
      'headers.set.Authorization: is set by the BFF itself',
    ],
    [{ headers: { set: { cookie: 'x' } } }, 'headers.set.cookie: is set by the BFF itself'],
    [{ headers: { set: { HOST: 'x' } } }, 'headers.set.HOST: is set by the BFF itself'],
    [{ headers: { set: { 'Transfer-Encoding': 'x' } } }, 'is set by the BFF itself'],
    [{ headers: { set: { 'X-Forwarded-For': 'x' } } }, 'is set by the BFF itself'],
    [{ headers: { set: { 'X A': 'x' } } }, 'is not the name of a header'],
    [{ headers: { set: { 'X-A': 'x\r\nX-B: y' } } }, 'headers.set.X-A: must be one line'],
    [{ headers: { set: { 'X-A': '1', 'x-a': '2' } } }, 'headers.set.x-a: is set twice'],
    [{ headers: { remove: ['X A'] } }, 'headers.remove[0]: is not the name of a header'],
    [{ headers: { pass: ['Connection'] } }, 'headers.pass[0]: Connection concerns one connection'],
    [{ headers: { pass: ['Authorization'] } }, 'names Authorization, but token is user'],
  ])('refuse %j', (changes, sentence) => {
    expect(mistakesWith(inRoute(changes))).toEqual([expect.stringContaining(sentence)]);
  });

  it('may not be where the metadata of routes for access tokens is', () => {
    const bearer = { issuers: [{ issuer: 'https://login.example.com', audience: 'api' }] };
    const path = '/.well-known/oauth-protected-resource/x';
    const routes = [
      { ...route, clients: ['bearer'] },
      { ...route, path },
    ];
    expect(mistakesWith({ bearer, routes })).toEqual([
      expect.stringContaining('routes[1].path: is /.well-known/oauth-protected-resource/x'),
    ]);
    expect(mistakesWith({ routes: [{ ...route, path }] })).toEqual([]);
  });

  it('do not pass on the proofs of clients', () => {
    const bearer = { issuers: [{ issuer: 'https://login.example.com', audience: 'api' }] };
    const routes = [{ ...route, clients: ['bearer'], headers: { pass: ['DPoP'] } }];
    expect(mistakesWith({ bearer, routes })).toEqual([
      expect.stringContaining('routes[0].headers.pass: names DPoP, but clients has bearer'),
    ]);
  });

  it('may neither contain the base path nor be there twice', () => {
    const changes = { basePath: '/auth/bff', routes: [{ ...route, path: '/auth' }, route, route] };
    expect(mistakesWith(changes)).toEqual([
      expect.stringContaining('routes[2].path: is /api, which is already the path of routes[1]'),
      expect.stringContaining('routes[0].path: is /auth, but basePath is /auth/bff'),
    ]);
  });

  it('leave / to the frontend, if there is one', () => {
    const changes = { ...inRoute({ path: '/' }), frontend: { directory: 'web' } };
    expect(mistakesWith(changes)).toEqual([
      expect.stringContaining('routes[0].path: is /, but a frontend is configured'),
    ]);
  });
});

describe('frontend', () => {
  it.each([
    [{}, 'frontend: needs either directory (a built frontend) or url'],
    [
      { directory: 'web', url: 'http://web:5173' },
      'frontend.url: is http://web:5173 while frontend.directory is ',
    ],
    [{ directory: 'missing' }, 'frontend.directory: there is no directory '],
    [{ directory: 'cert.pem' }, 'frontend.directory: there is no directory '],
    [{ directory: 'empty' }, 'has no readable index.html'],
    [{ url: 'web:5173' }, 'frontend.url: must be a complete address'],
    [{ url: 'http://web:5173?x' }, 'frontend.url: must have no query'],
    [
      { url: 'http://web', contentSecurityPolicy: "default-src\n'self'" },
      'contentSecurityPolicy: must be one line',
    ],
  ])('refuses %j', (frontend, sentence) => {
    expect(mistakesWith({ frontend })).toEqual([expect.stringContaining(sentence)]);
  });
});

describe('places a browser may be sent to', () => {
  it.each([
    'home',
    '//evil.example',
    '/\\evil.example',
    '/%2fevil.example',
    '/%5cevil.example',
    '/a\\b',
    '/a\tb',
    '/a%0d%0ab',
    'https://evil.example',
    '/%zz',
  ])('do not include %j', (place) => {
    expect(mistakesWith({ login: { defaultReturnUrl: place }, errorUrl: place })).toEqual([
      expect.stringMatching(/^login\.defaultReturnUrl: (must be a path on this site|contains)/),
      expect.stringMatching(/^errorUrl: (must be a path on this site|contains)/),
    ]);
  });

  it.each([
    ['http://www.example.com', 'must be https'],
    ['https://www.example.com/path', 'must be an origin only'],
    ['*', 'must be a complete address'],
  ])('do not include the origin %j', (origin, sentence) => {
    expect(mistakesWith({ login: { allowedReturnOrigins: [origin] } })).toEqual([
      expect.stringContaining(`login.allowedReturnOrigins[0]: ${sentence}`),
    ]);
  });
});

describe('the CSRF header, the user endpoint and the log', () => {
  it.each([
    [{ csrf: { header: 'X CSRF' } }, 'csrf.header: is not the name of a header'],
    [{ csrf: { header: 'Accept' } }, 'csrf.header: Accept protects nothing'],
    [{ csrf: { header: 'Content-Type' } }, 'csrf.header: Content-Type protects nothing'],
    [{ csrf: { header: 'Sec-Fetch-Site' } }, 'csrf.header: Sec-Fetch-Site protects nothing'],
    [{ csrf: { value: '' } }, 'csrf.value: must be text'],
    [{ csrf: { value: 'a\nb' } }, 'csrf.value: must be one line'],
    [{ user: { anonymous: 403 } }, 'user.anonymous: must be one of 401, 200'],
    [{ user: { format: 'array' } }, 'user.format: must be one of object, claims-array'],
    [{ logLevel: 'verbose' }, 'logLevel: must be one of info'],
  ])('refuse %j', (changes, sentence) => {
    expect(mistakesWith(changes)).toEqual([expect.stringContaining(sentence)]);
  });
});

describe('user.claims', () => {
  const claims = ['sub', 'email', 'groups', 'realm_access', 'https://example.com/roles'];
  const rules = [
    { claim: 'groups', any: ['a'] },
    { claim: 'realm_access.roles', any: ['a'] },
    { claim: 'https://example.com/roles', any: ['a'] },
    { claim: 'email', emailDomain: ['example.com'], unverified: true },
    { claim: 'email', emailDomain: ['example.com'] },
  ];
  const inRules = (require: object[]) => ({ user: { claims }, login: { require } });

  it('may name what rules and headers need, whole or by path', () => {
    const set = { 'X-User': '${claims.sub}', 'X-Roles': '${claims.realm_access.roles}' };
    const { routes } = inRoute({ require: rules, headers: { set } });
    expect(mistakesWith({ ...inRules(rules), routes })).toEqual([]);
  });

  it('must name what rules and headers need', () => {
    const mistake = (path: string, claim: string) =>
      `${path}: needs the claim ${claim}, which user.claims does not keep; add it there`;
    const require = [
      { claim: 'department', equals: 'x' },
      {
        anyOf: [
          { claim: 'groups', any: ['a'] },
          { claim: 'realm', exists: true },
        ],
      },
      { claim: 'upn', emailDomain: ['example.com'] },
    ];
    const set = { 'X-Name': 'Mr ${claims.name}' };
    const { routes } = inRoute({ require, headers: { set } });
    expect(mistakesWith({ ...inRules(require), routes })).toEqual([
      ...['login', 'routes[0]'].flatMap((at) => [
        mistake(`${at}.require[0]`, 'department'),
        mistake(`${at}.require[1]`, 'realm'),
        mistake(`${at}.require[2]`, 'upn'),
      ]),
      mistake('routes[0].headers.set.x-name', 'name'),
    ]);
  });

  it.each([
    [{ claims: [] }, 'user.claims: needs at least one claim'],
    [{ claims: 'sub' }, 'user.claims: must be a list'],
    [{ refresh: '5' }, 'user.refresh: must be a duration'],
  ])('refuses %j', (user, sentence) => {
    expect(mistakesWith({ user })).toEqual([expect.stringContaining(sentence)]);
  });
});

describe('login.hook', () => {
  const hook = { url: 'https://users.example.com/hook', token: 't' };

  it('has a timeout of two seconds', () => {
    expect(parse({ login: { hook } }).login.hook).toEqual({
      ...hook,
      timeout: 2000,
    });
    const local = { ...hook, url: 'http://127.0.0.1:3000/hook' };
    expect(mistakesWith({ login: { hook: local } })).toEqual([]);
  });

  it.each([
    [{ url: 'http://users.example.com' }, 'login.hook.url: must be https'],
    [{ url: 'https://user:pw@users.example.com' }, 'login.hook.url: must not contain a user'],
    [{ url: undefined }, 'login.hook.url: is required'],
    [{ token: undefined }, 'login.hook.token: is required'],
    [{ token: 'a b' }, 'login.hook.token: may contain only ASCII without spaces'],
    [{ timeout: '31s' }, 'login.hook.timeout: must be more than 0 and at most 30s'],
    [{ ca: 'missing.pem' }, 'login.hook.ca: there is no file'],
    [{ clientCert: 'cert.pem' }, 'login.hook.clientKey: is required because'],
    [{ clientKey: 'key.pem' }, 'login.hook.clientCert: is required because'],
    [{ url: 'http://localhost/hook', ca: 'cert.pem' }, 'login.hook.ca: is set, but url http'],
  ])('refuses %j', (changes, sentence) => {
    expect(mistakesWith({ login: { hook: { ...hook, ...changes } } })).toEqual([
      expect.stringContaining(sentence),
    ]);
  });
});

describe('unknown keys', () => {
  it.each([
    [{ public: 'x' }, 'public: is not an option'],
    [{ sever: {} }, 'sever: is not an option; did you mean server?'],
    [{ server: { hots: 'x' } }, 'server.hots: is not an option; known here: port, host'],
    [{ server: { tls: { cert: 'cert.pem', key: 'key.pem', ca: 'x' } } }, 'server.tls.ca: is not'],
    [{ management: { bind: 'x' } }, 'management.bind: is not an option'],
    [{ redis: { url: 'redis://r', db: 1 } }, 'redis.db: is not an option'],
    [inSession({ ttl: '1h' }), 'session.ttl: is not an option'],
    [
      inProvider({ clientID: 'x' }),
      'providers[0].clientID: is not an option; did you mean clientId?',
    ],
    [inRoute({ target: 'x' }), 'routes[0].target: is not an option'],
    [inRoute({ headers: { add: {} } }), 'routes[0].headers.add: is not an option'],
    [{ frontend: { directory: 'web', index: 'x' } }, 'frontend.index: is not an option'],
    [{ login: { returnUrl: '/' } }, 'login.returnUrl: is not an option'],
    [{ csrf: { name: 'x' } }, 'csrf.name: is not an option'],
    [{ user: { claim: [] } }, 'user.claim: is not an option'],
  ])('are refused: %j', (changes, sentence) => {
    expect(mistakesWith(changes)).toEqual([expect.stringContaining(sentence)]);
  });

  it('are not shown beyond what a key can be, because a typing error may hide a secret in one', () => {
    const [mistake] = mistakesWith(inProvider({ 'clientSecret:hunter2': undefined }));
    expect(mistake).toMatch(/^providers\[0\]\.clientSecret…: is not an option/);
  });
});

it('names every mistake at once, those between options included', () => {
  const mistakes = mistakesWith({
    publicUrl: 'https://app.example.com/x',
    server: { port: 'x', unknown: true },
    session: { secrets: ['short'], idle: '9h' },
    providers: [{ ...provider, id: 'A', clientAuth: 'none' }, { id: 'b' }],
    routes: [{ path: 'api', upstream: 'x' }, route, route],
    frontend: {},
  });
  expect(mistakes.map((mistake) => mistake.split(': ')[0]).toSorted()).toEqual([
    'frontend',
    'providers[0].clientSecret',
    'providers[0].id',
    'providers[1].clientId',
    'providers[1].clientSecret',
    'providers[1].issuer',
    'publicUrl',
    'routes[0].path',
    'routes[0].upstream',
    'server.port',
    'server.unknown',
    'session.idle',
    'session.secrets[0]',
  ]);
});
