import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer } from 'node:net';
import { createClient } from 'redis';
import type { OptionsInput } from '../../src/config/options.ts';
import { startAuthorizationServer } from '../support/authorization-server/authorization-server.ts';
import { respondWith, hang } from '../support/upstream/responses.ts';
import { Command, plainOptions, run, writeConfig } from '../support/bff/built-server.ts';
import { keyFile, keyPair } from '../support/authorization-server/client-keys.ts';
import { freePort } from '../support/network/ports.ts';
import { startRedis } from '../support/redis/server.ts';
import { runDirectory } from '../support/setup/run-directory.ts';
import { testTls } from '../support/network/tls.ts';
import { listen, startUpstream } from '../support/upstream/upstream.ts';

interface Finding {
  readonly name: string;
  readonly status: string;
  readonly message: string;
}

async function check(
  options: OptionsInput | string,
  env?: Readonly<Record<string, string>>,
): Promise<{ code: number | null; ok: boolean; found: Record<string, Finding> }> {
  const { code, stdout } = await run(['check', '--json', '--config', writeConfig(options)], env);
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: readonly Finding[] };
  return { code, ok, found: Object.fromEntries(checks.map((finding) => [finding.name, finding])) };
}

function provider(issuer: string, id = 'corp', changes: object = {}) {
  return { id, issuer, clientId: 'spa', clientSecret: 'a client secret', ...changes };
}

it('reports nothing where everything is present', async () => {
  const server = await startAuthorizationServer();
  const upstream = await startUpstream();
  const directory = mkdtempSync(join(runDirectory(), 'web-'));
  writeFileSync(join(directory, 'index.html'), '<title>App</title>');
  const options = await plainOptions({
    redis: { url: process.env['PIXIE_TEST_REDIS_URL'] },
    providers: [provider(server.issuer)],
    routes: [{ path: '/api', upstream: upstream.url }],
    frontend: { directory },
  });
  const config = writeConfig(options);
  const { code, stdout, stderr } = await run(['check', '--json', '--config', config]);
  expect([code, stderr]).toEqual([0, '']);
  expect(JSON.parse(stdout)).toEqual({
    ok: true,
    checks: [
      { name: 'configuration', status: 'ok', message: config },
      {
        name: 'redis',
        status: 'ok',
        message: expect.stringMatching(/^(Redis|Valkey) \d+\.\d+.* answers$/),
      },
      {
        name: 'provider:corp',
        status: 'ok',
        message: `${server.issuer} answers; ${options.publicUrl}/bff/callback must be a redirect URI of ours there`,
      },
      { name: 'upstream:/api', status: 'ok', message: `${upstream.url} accepts connections` },
      { name: 'frontend', status: 'ok', message: `${directory} has an index.html` },
    ],
  });
  expect(upstream.requests).toEqual([]);
  await Promise.all([server.close(), upstream.close()]);
});

it('prints lines for people without --json, with a sum at the end', async () => {
  const { code, stdout } = await run(['check', '--config', writeConfig(await plainOptions())]);
  expect(code).toBe(1);
  const lines = stdout.split('\n');
  expect(lines[0]).toMatch(/^ok {7}configuration {2}\//);
  expect(lines[1]).toMatch(/^warning {2}redis {10}not configured: .*; set redis.url$/);
  expect(lines[2]).toMatch(
    /^error {4}provider:corp {2}http:.*ECONNREFUSED.*: nothing listens there; start it/,
  );
  expect(lines.slice(3)).toEqual(['', 'Not ready to serve: errors 1, warnings 1.', '']);
});

it('prints JSON for a configuration that is broken as well, with every mistake', async () => {
  const { code, stdout, stderr } = await run([
    'check',
    '--json',
    '--config',
    writeConfig({ ...(await plainOptions()), publicUrl: 'ftp://x', basePth: '/x' } as never),
  ]);
  expect([code, stderr]).toEqual([1, '']);
  expect(JSON.parse(stdout)).toEqual({
    ok: false,
    checks: [
      { name: 'configuration', status: 'error', message: expect.stringMatching(/^publicUrl: /) },
      {
        name: 'configuration',
        status: 'error',
        message: expect.stringMatching(/^basePth: .*basePath/),
      },
    ],
  });
});

it.each([
  ['that is no YAML', 'publicUrl: ['],
  ['that is empty', ''],
])('prints JSON for a file %s', async (_, text) => {
  const { code, ok, found } = await check(text);
  expect([code, ok]).toEqual([1, false]);
  expect(Object.values(found)[0]).toMatchObject({ name: 'configuration', status: 'error' });
});

it('passes on what the start would warn of', async () => {
  const options = await plainOptions({
    routes: [{ path: '/api', upstream: 'http://127.0.0.1:9', csrf: false }],
  });
  const { stdout } = await run(['check', '--json', '--config', writeConfig(options)]);
  expect(JSON.parse(stdout)).toMatchObject({
    checks: expect.arrayContaining([
      {
        name: 'configuration',
        status: 'warning',
        message: expect.stringContaining('csrf is false'),
      },
    ]),
  });
});

const redisWith = async (url: string) =>
  (await check(await plainOptions({ redis: { url } }))).found['redis'];

describe('of Redis it says', () => {
  it('that it cannot be reached', async () => {
    const port = await freePort();
    expect(await redisWith(`redis://user:canary-password@127.0.0.1:${port}`)).toEqual({
      name: 'redis',
      status: 'error',
      message: `connect ECONNREFUSED 127.0.0.1:${port}: nothing listens there; start it, or correct the address`,
    });
  });

  it('that it evicts, refuses the password, refuses a command or has only a replica', async () => {
    const redis = await startRedis({
      args: ['--maxmemory-policy', 'allkeys-lru', '--requirepass', 'right'],
    });
    const admin = createClient({ url: `redis://:right@127.0.0.1:${redis.port}` });
    await admin.connect();
    const at = (login: string) => redisWith(`redis://${login}@127.0.0.1:${redis.port}`);
    expect(await at(':right')).toMatchObject({
      status: 'warning',
      message: expect.stringMatching(
        /answers, but maxmemory-policy is allkeys-lru: .*; set it to noeviction$/,
      ),
    });
    const wrong = await at(':canary-password');
    expect(wrong).toMatchObject({
      status: 'error',
      message: expect.stringMatching(/^WRONGPASS .*: check user and password in redis.url$/),
    });
    expect(wrong?.message).not.toContain('canary');
    // Scripts are what an operator forgets.
    const rights = ['on', '>right', '~*', '+@read', '+@write', '+@connection', '+info'];
    await admin.sendCommand(['ACL', 'SETUSER', 'limited', ...rights]);
    expect(await at('limited:right')).toMatchObject({
      status: 'error',
      message: expect.stringMatching(/NOPERM.*: give this Redis user the right to it/),
    });
    await admin.sendCommand(['REPLICAOF', '127.0.0.1', '9']);
    expect(await at(':right')).toMatchObject({
      status: 'error',
      message: expect.stringMatching(/READONLY.*: redis.url leads to a replica; name the primary$/),
    });
    admin.destroy();
    await redis.stop();
  });

  it('that it hangs, within six seconds', async () => {
    const redis = await startRedis();
    redis.pause();
    const start = performance.now();
    expect(await redisWith(redis.url)).toEqual({
      name: 'redis',
      status: 'error',
      message: 'no response within 5000 ms: check the address, and the firewall in between',
    });
    expect(performance.now() - start).toBeLessThan(8_000);
    await redis.stop();
  });
});

describe('of a provider it says', () => {
  it('what is wrong with what it announces', async () => {
    const server = await startAuthorizationServer();
    const other = await startAuthorizationServer();
    server.transform('discovery', (metadata) => ({
      ...metadata,
      code_challenge_methods_supported: undefined,
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
      scopes_supported: ['openid'],
      token_endpoint: undefined,
    }));
    other.transform('discovery', (metadata) => ({ ...metadata, issuer: 'https://somebody.else' }));
    const { found } = await check(
      await plainOptions({
        providers: [provider(server.issuer), provider(other.issuer, 'other')],
      }),
    );
    expect(found['provider:corp']?.status).toBe('error');
    expect(found['provider:corp']?.message.split('; ')).toEqual(
      expect.arrayContaining([
        'its metadata have no token_endpoint',
        'set tokenEndpoint',
        'it does not announce PKCE with S256',
        'clientAuth is client_secret_basic, but it announces private_key_jwt',
        'scopes has profile, email, which it does not announce',
      ]),
    );
    expect(found['provider:other']).toMatchObject({
      status: 'error',
      message: `${other.issuer} answers; it calls itself https://somebody.else; write issuer exactly like that`,
    });
    await Promise.all([server.close(), other.close()]);
  });

  it('that PKCE is not announced, as a warning alone', async () => {
    const server = await startAuthorizationServer();
    server.transform('discovery', (json) => ({
      ...json,
      code_challenge_methods_supported: ['plain'],
    }));
    const { code, ok, found } = await check(
      await plainOptions({ providers: [provider(server.issuer)] }),
    );
    expect([code, ok, found['provider:corp']?.status]).toEqual([0, true, 'warning']);
    await server.close();
  });

  it('that there is no discovery, that its certificate is not trusted, or that it hangs', async () => {
    const { key, cert, caFile } = testTls();
    const encrypted = await startAuthorizationServer({ tls: { key, cert }, host: 'localhost' });
    const missing = await startUpstream(
      respondWith(404, '<p>no</p>', { 'content-type': 'text/html' }),
    );
    const hanging = await startUpstream(hang());
    const options = await plainOptions({
      providers: [
        provider(encrypted.issuer),
        provider(missing.url, 'missing'),
        provider(hanging.url, 'hanging'),
      ],
    });
    const { found } = await check(options);
    expect(found['provider:corp']?.message).toMatch(/NODE_EXTRA_CA_CERTS=/);
    expect(found['provider:missing']?.message).toMatch(
      /no OpenID Connect discovery there; correct issuer$/,
    );
    expect(found['provider:hanging']?.message).toMatch(/no response within 1600 ms/);
    encrypted.transform('discovery', (json) => ({
      ...json,
      token_endpoint: 'http://localhost/token',
    }));
    const alone = { ...options, providers: [provider(encrypted.issuer)] } as OptionsInput;
    const trusting = await check(alone, { NODE_EXTRA_CA_CERTS: caFile });
    expect(trusting.found['provider:corp']).toMatchObject({
      status: 'error',
      message: expect.stringContaining(
        'its token_endpoint is http://localhost/token, which is not encrypted',
      ),
    });
    await Promise.all([encrypted.close(), missing.close(), hanging.close()]);
  });
});

it('looks at every upstream and at a frontend on another server, over TLS where they want it', async () => {
  const { key, cert, caFile } = testTls();
  const encrypted = await startUpstream(respondWith(200), { tls: { key, cert } });
  const plain = createServer((socket) => socket.end());
  const { port } = await listen(plain, 0);
  const closed = await freePort();
  const options = await plainOptions({
    routes: [
      { path: '/api', upstream: encrypted.url.replace('127.0.0.1', 'localhost') },
      { path: '/closed', upstream: `http://127.0.0.1:${closed}` },
      { path: '/unknown', upstream: 'http://no-such-host.invalid' },
      { path: '/plain', upstream: `https://127.0.0.1:${port}` },
    ],
    frontend: { url: `http://127.0.0.1:${port}` },
  });
  const { code, found } = await check(options, { NODE_EXTRA_CA_CERTS: caFile });
  expect(code).toBe(1);
  expect(found['upstream:/api']?.status).toBe('ok');
  expect(found['upstream:/closed']?.message).toMatch(
    /: connect ECONNREFUSED .*: nothing listens there/,
  );
  expect(found['upstream:/unknown']?.message).toMatch(
    /: getaddrinfo .*: the host name is unknown here/,
  );
  expect(found['upstream:/plain']?.status).toBe('error');
  expect(found['frontend']).toMatchObject({
    status: 'ok',
    message: `http://127.0.0.1:${port} accepts connections`,
  });
  const untrusting = await check(options);
  expect(untrusting.found['upstream:/api']?.message).toMatch(
    /trust its authority by NODE_EXTRA_CA_CERTS/,
  );
  expect(encrypted.requests).toEqual([]);
  await encrypted.close();
  plain.close();
});

it('says where its frontend is missing', async () => {
  const { found } = await check(await plainOptions({ frontend: { directory: '/nowhere/web' } }));
  expect(found['configuration']?.message).toMatch(
    /^frontend\.directory: there is no directory \/nowhere\/web/,
  );
});

it('never shows a secret', async () => {
  const options = await plainOptions({
    session: { secrets: ['canary-session-secret-that-is-long-enough'] },
    providers: [provider('http://127.0.0.1:9', 'corp', { clientSecret: 'canary-client-secret' })],
  });
  await using command = new Command(['check', '--config', writeConfig(options)]);
  await command.exit;
  expect(command.stdout + command.stderr).not.toContain('canary');
});

describe('how a provider is to be protected', () => {
  it('is looked at: files that cannot be used are named, and start nothing', async () => {
    const clientKey = keyFile('no key');
    const options = await plainOptions({
      providers: [
        {
          id: 'corp',
          issuer: 'https://login.example.com',
          clientId: 'spa',
          clientAuth: 'private_key_jwt',
          clientKey,
        },
      ],
    });
    const sentence = `providers[0].clientKey: the file ${clientKey} has no private key; give a JWK, a JWK Set or PEM`;
    const { code, found } = await check(options);
    expect([code, found['configuration']]).toEqual([
      1,
      { name: 'configuration', status: 'error', message: sentence },
    ]);
    const { code: started, stderr } = await run(['--config', writeConfig(options)]);
    expect(started).not.toBe(0);
    expect(stderr).toContain(sentence);
  });

  it('is compared with what the provider announces', async () => {
    const server = await startAuthorizationServer();
    const changes = { par: 'required', dpop: true, jarm: true };
    const { found } = await check(
      await plainOptions({ providers: [provider(server.issuer, 'corp', changes)] }),
    );
    await server.close();
    expect(found['provider:corp']).toEqual({
      name: 'provider:corp',
      status: 'error',
      message: expect.stringMatching(
        /no pushed_authorization_request_endpoint; remove par; responses by jwt are configured, but it announces .*; dpop is true, but it does not announce DPoP/,
      ),
    });
  });

  it('with a profile is judged by it', async () => {
    const { key, cert, caFile } = testTls();
    const server = await startAuthorizationServer({ tls: { key, cert } });
    const { found, code } = await check(
      await plainOptions({
        providers: [
          {
            id: 'corp',
            issuer: server.issuer,
            clientId: 'spa',
            clientAuth: 'private_key_jwt',
            clientKey: keyFile(keyPair('P-256').privateJwk),
            ca: caFile,
            profile: 'fapi2',
          },
        ],
      }),
    );
    await server.close();
    expect([code, found['provider:corp']?.status]).toEqual([1, 'error']);
    expect(found['provider:corp']?.message).toMatch(
      /is fapi2, but the metadata of \S+ have no pushed_authorization_request_endpoint; .*dpop_signing_alg_values_supported/,
    );
  });
});
