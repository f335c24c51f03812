import { parseOptions } from '../../src/config/load.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { rawRequest } from '../support/network/raw-request.ts';

const token = 'a-management-token-for-tests';

async function statusFor(
  bff: TestBff,
  host: readonly string[],
  path = '/metrics',
  version = '1.1',
) {
  const lines = [
    `GET ${path} HTTP/${version}`,
    ...host.map((value) => `Host: ${value}`),
    `Authorization: Bearer ${token}`,
    'Connection: close',
  ];
  const { port } = new URL(bff.managementUrl);
  return rawRequest(Number(port), `${lines.join('\r\n')}\r\n\r\n`);
}

describe('DNS rebinding: a web page whose name leads to the management listener', () => {
  let bff: TestBff;
  beforeAll(async () => {
    const management = { token, hosts: ['bff', 'Ops.Example.com.'] };
    bff = await startBff({ store: 'memory', management });
  });
  afterAll(() => bff.close());

  it.each(['/livez', '/readyz', '/metrics', '/sessions?sub=alice', '/nowhere'])(
    'gets 421 and a clear sentence at %s, and nothing else',
    async (path) => {
      const { statuses, text } = await statusFor(bff, ['rebound.evil.example:9090'], path);
      expect(statuses).toEqual([421]);
      expect(text).toMatch(
        /\{"status":"misdirected request","reason":"[^"]*Add the name to management\.hosts[^"]*"\}/,
      );
      expect(text).not.toContain('evil');
    },
  );

  it.each([
    'evil.example',
    'localhost.evil.example',
    'evil-localhost',
    'a.localhost',
    '127.0.0.1.evil.example',
    '127.0.0.1.nip.io:9090',
    '127.1',
    '2130706433',
    '0x7f000001',
    '[evil.example]',
    '[::1].evil.example',
    'localhost..',
    'localhost:9090.evil.example',
    'localhost:123456',
    'evil.example:localhost',
    'evil.example@localhost',
    'localhost, evil.example',
    'bff.evil.example',
    'xbff',
    'example.com',
    '.',
    '',
    ':9090',
  ])('is not served as "%s"', async (host) => {
    expect((await statusFor(bff, [host])).statuses).toEqual([421]);
  });

  it('is not served by a second Host header beside one that is', async () => {
    for (const hosts of [
      ['localhost', 'evil.example'],
      ['evil.example', 'localhost'],
    ])
      expect([400, 421]).toContain((await statusFor(bff, hosts)).statuses[0]);
  });

  it.each([
    'localhost',
    'LOCALHOST:9090',
    'localhost.:9090',
    '127.0.0.1',
    '127.0.0.1:9090',
    '10.244.3.17:9090',
    '[::1]:9090',
    '[fd00:10:244::1f]',
    'bff:9090',
    'BFF',
    'bff.',
    'ops.example.com',
    'OPS.example.com.:80',
  ])('does not keep operators and probes from requesting "%s"', async (host) => {
    expect((await statusFor(bff, [host])).statuses).toEqual([200]);
  });

  it('accepts a health check of HTTP/1.0 without Host, as HAProxy’s is', async () => {
    expect((await statusFor(bff, [], '/livez', '1.0')).statuses).toEqual([200]);
    expect((await statusFor(bff, [], '/livez')).statuses).toEqual([400]);
  });

  it('finds only addresses and localhost unless management.hosts names more', async () => {
    await using usual = await startBff({ store: 'memory' });
    expect((await statusFor(usual, ['bff:9090'])).statuses).toEqual([421]);
    expect((await statusFor(usual, ['localhost:9090'])).statuses).toEqual([200]);
  });
});

describe('management.hosts', () => {
  const hosts = (value: unknown) =>
    parseOptions({
      publicUrl: 'http://localhost:8080',
      session: { secrets: ['kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U'] },
      providers: [
        { id: 'corp', issuer: 'https://login.example.com', clientId: 'x', clientSecret: 'y' },
      ],
      management: { hosts: value as string[] },
    }).management.hosts;

  it('are kept in lower case, without the dot of a root', () => {
    expect(hosts(['BFF', 'ops.Example.com.', 'pixie_bff'])).toEqual([
      'bff',
      'ops.example.com',
      'pixie_bff',
    ]);
  });

  it.each(['', 'bff:9090', 'http://bff', '*.example.com', 'a..b', 'bff/x', 'a b', '[::1]'])(
    'cannot be "%s"',
    (wrong) => {
      expect(() => hosts([wrong])).toThrow(/management\.hosts/);
    },
  );
});
