import { gzipSync } from 'node:zlib';
import {
  respondWith,
  download,
  hang,
  hangUp,
  redirectTo,
  type Handler,
} from '../support/upstream/responses.ts';
import {
  type Arrange,
  canary,
  failed,
  withoutViolations,
  HostileServerSetup,
  type Misbehaviour,
  unavailable,
} from '../support/authorization-server/hostile-server-setup.ts';
import type { Transform } from '../support/authorization-server/oidc-endpoints.ts';
import { keysOf } from './steps.ts';

const json = { 'content-type': 'application/json' };

/** The token endpoint answers so. */
const overrideTokenEndpoint =
  (handler: Handler): Arrange =>
  (setup) =>
    setup.server.override('token', handler);

/** It answers as it should, but for these members; `undefined` takes one away. */
const members = (values: object): Arrange => tokens((response) => ({ ...response, ...values }));

const tokens =
  (change: Transform): Arrange =>
  (setup) =>
    void (setup.tokens = change);

/** It answers as it should, but for how it is written. */
const written = (write: (text: string) => string): Arrange =>
  tokens((response) => write(JSON.stringify(response)));

/** It sends the browser's own address bar somewhere else, with everything in the request. */
const elsewhere =
  (status: number): Arrange =>
  (setup) =>
    setup.server.override('token', redirectTo(`${setup.bff.upstream.url}/stolen`, status));

/** Writes something that is no HTTP, or not all of it. */
const raw =
  (bytes: string): Handler =>
  (request) =>
    request.socket.end(bytes);

const drips: Handler = async (request, response) => {
  response.writeHead(200, json).write('{"access_token":"');
  const timer = setInterval(() => response.write(canary), 100);
  request.socket.once('close', () => clearInterval(timer));
};

/** As `res.send` does that was not told what it sends. */
const asText: Handler = (_request, response) => {
  const { end } = response;
  response.end = ((body: string) => {
    response.setHeader('content-type', 'text/plain');
    return end.call(response, body, 'utf8');
  }) as typeof end;
  return 'continue';
};

const said = (error: string) => ({
  error,
  error_description: `<b>${canary}</b>\r\n${'x'.repeat(5000)}`,
});
const deep = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`;
const tooLong = `${canary}${'a'.repeat(33_000)}`;

/** What a token endpoint may do (RFC 6749 §5). A code is sent once, whatever comes of it. */
const endpoints: readonly Misbehaviour[] = [
  ...[301, 302, 303, 307, 308].map((status): Misbehaviour => [
    'H-21',
    `redirects by ${status}`,
    elsewhere(status),
    unavailable,
  ]),
  [
    'H-22',
    'says invalid_grant',
    overrideTokenEndpoint(respondWith(400, said('invalid_grant'))),
    failed,
  ],
  [
    'H-22',
    'says invalid_request',
    overrideTokenEndpoint(respondWith(400, said('invalid_request'))),
    failed,
  ],
  [
    'H-22',
    'says invalid_client',
    overrideTokenEndpoint(respondWith(401, said('invalid_client'))),
    failed,
  ],
  [
    'H-22',
    'says unauthorized_client',
    overrideTokenEndpoint(respondWith(400, said('unauthorized_client'))),
    failed,
  ],
  [
    'H-22',
    'says an error nobody knows',
    overrideTokenEndpoint(respondWith(400, said('nobody_knows'))),
    failed,
  ],
  [
    'H-22',
    'says an error that is a number',
    overrideTokenEndpoint(respondWith(400, { error: 42 })),
    failed,
  ],
  [
    'H-22',
    'demands other credentials',
    overrideTokenEndpoint(respondWith(401, '', { 'www-authenticate': `Basic realm="${canary}"` })),
    failed,
  ],
  ['H-22', 'is forbidden', overrideTokenEndpoint(respondWith(403, said('access_denied'))), failed],
  ['H-22', 'is not there', overrideTokenEndpoint(respondWith(404, said('not_found'))), failed],
  ['H-23', 'is 500', overrideTokenEndpoint(respondWith(500, said('server_error'))), unavailable],
  [
    'H-23',
    'is 502 with a page',
    overrideTokenEndpoint(respondWith(502, `<h1>${canary}</h1>`)),
    unavailable,
  ],
  [
    'H-23',
    'is 503',
    overrideTokenEndpoint(respondWith(503, '', { 'retry-after': '60' })),
    unavailable,
  ],
  [
    'H-23',
    'is 429',
    overrideTokenEndpoint(respondWith(429, {}, { 'retry-after': '60' })),
    unavailable,
  ],
  ['H-24', 'hangs up', overrideTokenEndpoint(hangUp()), unavailable],
  ['H-24', 'speaks no HTTP', overrideTokenEndpoint(raw(`${canary}\r\n\r\n`)), unavailable],
  [
    'H-24',
    'sends less than it says',
    overrideTokenEndpoint(raw('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}')),
    unavailable,
  ],
  [
    'H-24',
    'sends two lengths',
    overrideTokenEndpoint(
      raw('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'),
    ),
    unavailable,
  ],
  [
    'H-24',
    'sends headers without end',
    overrideTokenEndpoint(raw(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n{}`)),
    unavailable,
  ],
  [
    'H-24',
    'switches protocols',
    overrideTokenEndpoint(
      raw('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
    ),
    unavailable,
  ],
  ['H-25', 'never answers', overrideTokenEndpoint(hang()), unavailable],
  ['H-25', 'answers in drops', overrideTokenEndpoint(drips), unavailable],
  [
    'H-25',
    'stops half-way',
    overrideTokenEndpoint((_, response) => void response.writeHead(200, json).write('{')),
    unavailable,
  ],
  ['H-26', 'never stops', overrideTokenEndpoint(download(1e12, json)), unavailable],
  [
    'H-26',
    'sends more than it may',
    overrideTokenEndpoint(respondWith(200, JSON.stringify('x'.repeat(50_000)), json)),
    unavailable,
  ],
  [
    'H-26',
    'sends a bomb',
    overrideTokenEndpoint(
      respondWith(200, gzipSync(Buffer.alloc(20_000_000)), { ...json, 'content-encoding': 'gzip' }),
    ),
    unavailable,
  ],
  [
    'H-27',
    'sends a page',
    overrideTokenEndpoint(respondWith(200, `<html>${canary}`, { 'content-type': 'text/html' })),
    unavailable,
  ],
  ['H-27', 'sends nothing', overrideTokenEndpoint(respondWith(200, '', json)), unavailable],
  ['H-27', 'sends no content', overrideTokenEndpoint(respondWith(204)), unavailable],
  ['H-27', 'sends half of it', written((text) => text.slice(0, -9)), unavailable],
  ['H-27', 'sends null', overrideTokenEndpoint(respondWith(200, 'null', json)), failed],
  ['H-27', 'sends a list', overrideTokenEndpoint(respondWith(200, '[]', json)), failed],
  ['H-27', 'sends a text', overrideTokenEndpoint(respondWith(200, `"${canary}"`, json)), failed],
  ['H-27', 'sends an empty object', overrideTokenEndpoint(respondWith(200, {})), failed],
  ['H-27', 'sends it behind a byte order mark', written((text) => `\uFEFF${text}`), unavailable],
  // It is JSON, whatever it is called.
  ['H-27', 'sends it as text', overrideTokenEndpoint(asText), 'signed in'],
  ['H-27', 'sends it all in __proto__', written((text) => `{"__proto__":${text}}`), failed],
  [
    'H-27',
    'says the access token twice',
    written((text) => text.replace(/}$/, ',"access_token":""}')),
    failed,
  ],
  [
    'H-27',
    'says it with a status of its own',
    overrideTokenEndpoint((_, response) => void response.writeHead(299, json).end('{}')),
    failed,
  ],
  ['H-28', 'sends no access token', members({ access_token: undefined }), failed],
  ['H-28', 'sends an empty access token', members({ access_token: '' }), failed],
  ['H-28', 'sends a number as the access token', members({ access_token: 1 }), failed],
  ['H-28', 'sends a list as the access token', members({ access_token: [canary] }), failed],
  [
    'H-28',
    'sends an access token with a line break',
    members({ access_token: `${canary}\r\nX-Admin: 1` }),
    failed,
  ],
  ['H-28', 'sends an access token with a blank', members({ access_token: `${canary} b` }), failed],
  [
    'H-28',
    'sends an access token with a zero',
    members({ access_token: `${canary}\u0000` }),
    failed,
  ],
  [
    'H-28',
    'sends an access token that is not ASCII',
    members({ access_token: `${canary}ö` }),
    failed,
  ],
  ['H-28', 'sends an access token of 33 kB', members({ access_token: tooLong }), failed],
  ['H-28', 'sends a refresh token of 33 kB', members({ refresh_token: tooLong }), failed],
  ['H-28', 'sends an empty refresh token', members({ refresh_token: '' }), failed],
  ['H-28', 'sends a number as the refresh token', members({ refresh_token: 1 }), failed],
  ['H-30', 'gives a negative time', members({ expires_in: -1 }), failed],
  ['H-30', 'gives no number as the time', members({ expires_in: 'NaN' }), failed],
  ['H-30', 'gives null as the time', members({ expires_in: null }), failed],
  ['H-30', 'gives a text as the time', members({ expires_in: 'soon' }), failed],
  [
    'H-30',
    'gives a time beyond numbers',
    written((text) => text.replace(/"expires_in":\d+/, '"expires_in":1e999')),
    failed,
  ],
  ['H-32', 'gives a list of scopes', members({ scope: ['openid'] }), failed],
  ['H-33', 'gives no type', members({ token_type: undefined }), failed],
  ['H-33', 'gives an empty type', members({ token_type: '' }), failed],
  ['H-33', 'gives a type that nobody asked for', members({ token_type: 'DPoP' }), failed],
  ['H-33', 'gives another type', members({ token_type: 'mac' }), failed],
  ['H-33', 'gives no token but its type', members({ token_type: 'N_A' }), failed],
  [
    'H-37',
    'says 200 and an error',
    overrideTokenEndpoint(respondWith(200, said('invalid_grant'))),
    failed,
  ],
  ['H-30', 'gives no time', members({ expires_in: undefined }), 'signed in'],
  ['H-30', 'gives the time as a text', members({ expires_in: '3600' }), 'signed in'],
  ['H-30', 'gives no time at all', members({ expires_in: 0 }), 'signed in'],
  ['H-30', 'gives all the time there is', members({ expires_in: 1e20 }), 'signed in'],
  ['H-31', 'gives no refresh token', members({ refresh_token: undefined }), 'signed in'],

  ['H-32', 'gives less than was asked', members({ scope: 'openid' }), 'signed in'],
  ['H-32', 'gives more than was asked', members({ scope: 'openid admin root' }), 'signed in'],
  ['H-32', 'gives no scope', members({ scope: '' }), 'signed in'],
  ['H-33', 'gives the type in other letters', members({ token_type: 'BEARER' }), 'signed in'],
  [
    'H-35',
    'says what nobody knows',
    members({ extra: { a: [canary] }, constructor: canary }),
    'signed in',
  ],
  [
    'H-35',
    'says what nobody knows ten thousand times',
    members({ extra: Array.from({ length: 10_000 }, () => 1) }),
    'signed in',
  ],
  [
    'H-35',
    'says what nobody knows, deep down',
    written((text) => text.replace(/}$/, `,"extra":${deep}}`)),
    'signed in',
  ],
  ['H-37', 'says an error beside the tokens', members({ error: 'invalid_grant' }), 'signed in'],
];

describe('a token endpoint that', () => {
  let setup: HostileServerSetup;
  beforeAll(async () => {
    setup = await HostileServerSetup.start();
  });
  afterAll(() => setup.close());
  beforeEach(() => setup.reset());

  it.each(endpoints)('(%s) %s', async (_id, _what, arrange, outcome) => {
    expect(await setup.run(arrange)).toEqual(withoutViolations(outcome));
    expect(setup.server.tokenRequests()).toHaveLength(1);
    if (outcome !== 'signed in') return;
    // Whatever it says of its tokens, a call is one call, and asks for others once.
    expect((await setup.visitor.fetch('/api/x')).status).toBe(200);
    expect(setup.bff.upstream.requests).toHaveLength(1);
    expect(setup.server.tokenRequests('refresh_token').length).toBeLessThanOrEqual(1);
  });

  it('(H-36) gives instructions for a browser does not reach the browser with them', async () => {
    setup.server.override('token', (_request, response) => {
      response.setHeader('set-cookie', ['bff=planted; Path=/', 'id=1']);
      response.setHeader('clear-site-data', '"*"');
      response.setHeader('location', 'https://evil.example/');
      return 'continue';
    });
    expect(await setup.run()).toEqual(withoutViolations('signed in'));
    const { page } = setup;
    expect(page?.history.at(-1)?.setCookie.join()).not.toMatch(/planted|id=1/);
    expect(page?.headers.has('clear-site-data')).toBe(false);
    setup.server.requests.length = 0;
    await setup.bff.signedIn('bob', setup.browser());
    expect(setup.server.tokenRequests()[0]?.headers.cookie).toBeUndefined();
  });

  it('(H-35) sends unknown members leaves no trace of them', async () => {
    const sizes = [];
    for (const extra of [undefined, 'x'.repeat(30_000)]) {
      await setup.reset();
      expect(await setup.run(members({ extra }))).toEqual(withoutViolations('signed in'));
      const [key = ''] = await keysOf(setup.bff, 'session');
      sizes.push((await setup.bff.redis.dump()).get(key)?.length ?? 0);
    }
    expect(Math.abs((sizes[0] ?? 0) - (sizes[1] ?? 0))).toBeLessThan(500);
  });

  it('(H-80) is slow delays no request that does not need it', async () => {
    const signedIn = await setup.bff.signedIn('alice', setup.browser());
    setup.server.override('token', hang());
    const waiting = Array.from({ length: 30 }, () => setup.bff.signIn(setup.browser()));
    const began = performance.now();
    expect((await signedIn.fetch('/api/x')).status).toBe(200);
    expect(performance.now() - began).toBeLessThan(700);
    const statuses = (await Promise.all(waiting)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([503]));
    await expect(keysOf(setup.bff, 'session')).resolves.toHaveLength(1);
  });
});
