import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, asyncProperty } from 'fast-check';
import {
  type AdversarialRequest,
  adversarialRequest,
  bytesOf,
  mostInForm,
  mostOctets,
} from '../support/network/adversarial-requests.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { plainOptions } from '../support/bff/built-server.ts';
import {
  type MeteredServer,
  type RequestMaker,
  startMeteredServer,
} from '../support/bff/metered-server.ts';
import { TokenIssuer } from '../support/clients/token-issuer.ts';
import { type TestRedis, testRedis } from '../support/redis/redis.ts';
import { runDirectory } from '../support/setup/run-directory.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';

/** Milliseconds of processor time for one anonymous request. */
const budget = 20;

/** On a slow machine, the budget is the cost of this many benign requests instead. */
const benignRequests = 10;

/** All endpoints, and one address of every other kind. */
const places = [
  'GET /bff/login?provider=corp',
  'GET /bff/login?provider=form',
  'GET /bff/login',
  'GET /bff/callback',
  'POST /bff/callback/form',
  'GET /bff/client.js',
  'GET /bff/client.0123456789abcdef.js',
  'GET /bff/providers',
  'GET /bff/user',
  'POST /bff/refresh',
  'GET /bff/logout',
  'POST /bff/logout',
  'GET /bff/logout/callback',
  'GET /bff/sessions',
  'DELETE /bff/sessions',
  'DELETE /bff/sessions/abc',
  'GET /bff/events',
  'POST /bff/backchannel',
  'GET /bff/frontchannel',
  'GET /bff/connect/corp',
  'POST /bff/disconnect/corp',
  'GET /bff/oauth/authorize',
  'GET /bff/oauth/authorize/abc',
  'GET /bff/oauth/interaction/abc',
  'POST /bff/oauth/interaction/abc',
  'POST /bff/oauth/token',
  'POST /bff/oauth/revoke',
  'POST /bff/oauth/device_authorization',
  'GET /bff/oauth/device',
  'POST /bff/oauth/device',
  'GET /bff/oauth/device/abc',
  'GET /.well-known/oauth-protected-resource/mcp',
  'GET /bff/unknown',
  'GET /api/orders',
  'POST /api/orders',
  'GET /open/orders',
  'POST /open/orders',
  'GET /pages/orders',
  'POST /mcp/tools',
  'GET /',
  'GET /app.js',
  'GET /unknown',
] as const;

let servers: readonly AuthorizationServer[];
let tokenIssuer: TokenIssuer;
let upstream: Upstream;
let redis: TestRedis;
let server: MeteredServer;
let benign: number;
/** A login cookie, as any anonymous client gets one. */
let cookie: string;

beforeAll(async () => {
  servers = [await startAuthorizationServer(), await startAuthorizationServer()];
  tokenIssuer = await TokenIssuer.start();
  upstream = await startUpstream((_request, response) => void response.end());
  redis = await testRedis();
  server = await startMeteredServer(await options());
  cookie = (await beginLogin('corp')).cookie;
  benign = await costOfBenign();
}, 60_000);

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await redis.close();
  await upstream.close();
  await tokenIssuer[Symbol.asyncDispose]();
  await Promise.all(servers.map((each) => each.close()));
});

async function options() {
  const directory = mkdtempSync(join(runDirectory(), 'frontend-'));
  writeFileSync(join(directory, 'index.html'), '<!doctype html>');
  writeFileSync(join(directory, 'app.js'), 'export {};');
  const provider = ([id, at]: readonly [string, AuthorizationServer], changes: object = {}) => {
    const { issuer, clientId, clientSecret } = at;
    return { id, issuer, clientId, clientSecret, ...changes };
  };
  const [first, second] = servers as [AuthorizationServer, AuthorizationServer];
  const usual = await plainOptions();
  return {
    ...usual,
    publicUrl: 'https://app.example.test',
    // Headers of a trusted proxy are parsed, and an attacker may be behind one.
    server: { ...usual.server, trustedProxies: ['127.0.0.1'] },
    redis: { url: redis.url, keyPrefix: redis.keyPrefix },
    frontend: { directory },
    login: { allowedReturnOrigins: ['https://other.example.test'] },
    providers: [
      provider(['corp', first]),
      provider(['form', second], { responseMode: 'form_post' }),
    ],
    routes: [
      { path: '/api', upstream: upstream.url },
      { path: '/open', upstream: upstream.url, token: 'none' },
      { path: '/pages', upstream: upstream.url, signedOut: 'login' },
      { path: '/mcp', upstream: upstream.url, clients: ['bearer'], scopes: ['tools'] },
    ],
    bearer: { issuers: [tokenIssuer.option] },
    authorizationServer: {
      clients: [{ id: 'cli', name: 'CLI', redirectUris: ['http://127.0.0.1/callback'] }],
      deviceAuthorization: true,
    },
  } as typeof usual;
}

/** The cost of a benign request on this machine, after the server has warmed up. */
async function costOfBenign(): Promise<number> {
  for (const place of places)
    for (let times = 0; times < 3; times += 1)
      await server.send(bytesOf({ place, attack: { into: 'cookie', text: 'theme=dark' } }));
  const costs: number[] = [];
  for (let times = 0; times < 20; times += 1)
    costs.push((await server.costOf(() => bytesOf(harmless), 0)).milliseconds);
  return costs.toSorted((a, b) => a - b)[10] as number;
}

const harmless: AdversarialRequest = {
  place: 'GET /bff/providers',
  attack: { into: 'returnUrl', text: '/orders?page=1' },
};

/** Begins a sign-in, as an anonymous client may. */
async function beginLogin(provider: string) {
  const { text } = await server.send(
    `GET /bff/login?provider=${provider} HTTP/1.1\r\nHost: app.example.test\r\n\r\n`,
  );
  const [, pair = ''] = /^set-cookie: ([^;]*-login=[^;]*)/im.exec(text) ?? [];
  const [, state = ''] = /^location: .*[?&]state=([^&\r]*)/im.exec(text) ?? [];
  expect([pair, state]).not.toContain('');
  return { cookie: pair, state };
}

function sent(request: AdversarialRequest): string {
  return bytesOf(request, { Cookie: cookie });
}

/** Returns the status of the response. */
async function expectCheap(make: RequestMaker): Promise<number> {
  const most = Math.max(budget, benignRequests * benign);
  const { milliseconds, status } = await server.costOf(make, most / 2);
  if (milliseconds < most && status !== undefined) return status;
  const figures = `${milliseconds.toFixed(1)} ms; a benign request took ${benign.toFixed(1)} ms`;
  throw new Error(`status ${status}, processor time ${figures}`);
}

/** Thousands of parameters with distinct names. */
function distinct(most: number): string {
  const names = Array.from({ length: 20_000 }, (_, index) => index.toString(36)).join('&');
  return names.slice(0, names.lastIndexOf('&', most));
}

/** Thousands of parameters that `URLSearchParams` cannot decode. */
function notText(most: number): string {
  return '%FF&'.repeat(most / 4);
}

/** Thousands of cookies with distinct names and invalid percent-encoding. */
function undecodable(most: number): string {
  const names = Array.from({ length: 4_000 }, (_, index) => `${index.toString(36)}=%`).join(';');
  return names.slice(0, names.lastIndexOf(';', most));
}

const nestedEncodings = `/%25${'25'.repeat(7_500)}41`;

const seeds: readonly (readonly [name: string, AdversarialRequest])[] = [
  ...['GET /bff/providers', 'GET /bff/login?provider=corp', 'GET /bff/logout'].map(
    (place) =>
      [
        `a return URL that is encoded thousands of times, ${place}`,
        { place, attack: { into: 'returnUrl', text: nestedEncodings } },
      ] as const,
  ),
  [
    'a path that is encoded thousands of times',
    { place: 'GET /open', attack: { into: 'path', text: nestedEncodings.slice(1) } },
  ],
  [
    'thousands of different parameters in a callback',
    { place: 'GET /bff/callback', attack: { into: 'query', text: distinct(mostOctets) } },
  ],
  ...['authorize', 'authorize/abc', 'device'].map(
    (name) =>
      [
        `thousands of different parameters, GET /bff/oauth/${name}`,
        {
          place: `GET /bff/oauth/${name}`,
          attack: { into: 'query', text: distinct(mostOctets) },
        },
      ] as const,
  ),
  ...['token', 'revoke', 'device_authorization', 'device'].map(
    (name) =>
      [
        `thousands of different parameters in a form, POST /bff/oauth/${name}`,
        {
          place: `POST /bff/oauth/${name}`,
          attack: { into: 'form', text: distinct(mostInForm) },
        },
      ] as const,
  ),
  [
    'thousands of different parameters in the form of a callback',
    { place: 'POST /bff/callback/form', attack: { into: 'form', text: distinct(mostInForm) } },
  ],
  [
    'thousands of different parameters in the form of a logout token',
    { place: 'POST /bff/backchannel', attack: { into: 'form', text: distinct(mostInForm) } },
  ],
  [
    'thousands of parameters that are no UTF-8',
    { place: 'GET /bff/providers', attack: { into: 'query', text: notText(mostOctets) } },
  ],
  ...['POST /bff/backchannel', 'POST /bff/callback/form'].map(
    (place) =>
      [
        `thousands of parameters that are no UTF-8, ${place}`,
        { place, attack: { into: 'form', text: notText(mostInForm) } },
      ] as const,
  ),
  [
    'thousands of spaces inside a cookie',
    { place: 'GET /open', attack: { into: 'cookie', text: `a=b${' '.repeat(15_000)}c; d` } },
  ],
  [
    'thousands of cookies that do not decode',
    { place: 'GET /bff/user', attack: { into: 'cookie', text: undecodable(mostOctets) } },
  ],
  [
    'thousands of cookies of our name',
    {
      place: 'GET /api/orders',
      attack: { into: 'cookie', text: '__Host-Http-bff=s%3Aa.b; '.repeat(600) },
    },
  ],
];

const ofTokens: readonly (readonly [name: string, authorization: () => string])[] = [
  ['of the form of a handle', () => `Bearer pxb_${'A'.repeat(15_000)}`],
  ['of an unknown key', () => `Bearer ${jwt({ alg: 'ES256', kid: 'unknown', typ: 'at+jwt' })}`],
  ['with a forged signature', () => `Bearer ${jwt({ alg: 'ES256', kid: 'one', typ: 'at+jwt' })}`],
  ['without a signature', () => `Bearer ${jwt({ alg: 'none' })}`],
  ['with a proof', () => `DPoP ${jwt({ alg: 'ES256', kid: 'one', typ: 'at+jwt' })}`],
  ['with thousands of dots', () => `Bearer ${'a.'.repeat(7_500)}`],
  ['with thousands of padding characters', () => `Bearer a${'='.repeat(15_000)}`],
  ['after thousands of spaces', () => `Bearer${' '.repeat(15_000)}a b`],
  ['in a scheme that goes on and on', () => 'Bearer '.repeat(2_200)],
];

/** A forged JWT of 12 KB, in the name of an issuer that is accepted. */
function jwt(header: object): string {
  const seconds = Math.floor(Date.now() / 1000);
  const times = { iat: seconds, exp: seconds + 300 };
  const claims = { iss: tokenIssuer.issuer, aud: 'api', ...times, junk: 'x'.repeat(9_000) };
  const parts = [header, claims].map((part) => Buffer.from(JSON.stringify(part)));
  return [...parts, Buffer.alloc(64, 1)].map((part) => part.toString('base64url')).join('.');
}

it('every endpoint has a place here', () => {
  const file = new URL('../../src/auth/endpoints.middleware.ts', import.meta.url);
  const names = [...readFileSync(file, 'utf8').matchAll(/^ {2}\['([^']+)', \[/gm)];
  const missing = names
    .map(([, name = '']) => `/bff/${name.replace(/\{.*/, '')}`)
    .filter((start) => !places.some((place) => place.includes(start)));
  expect(names.length).toBeGreaterThan(10);
  expect(missing).toEqual([]);
});

it.each(seeds)(
  'an anonymous request stays within the processor budget: %s',
  async (_name, request) => {
    // 431 would mean that Node.js refused the request before our code ran.
    expect(await expectCheap(() => sent(request))).not.toBe(431);
  },
);

it.each(ofTokens)(
  'a call with an access token stays within the processor budget: %s',
  async (_name, textOf) => {
    const attack = { into: 'Authorization', text: textOf() } as const;
    const status = await expectCheap(() => sent({ place: 'POST /mcp/tools', attack }));
    expect(status).toBe(401);
  },
);

it.each([
  ['GET', (state: string) => `GET /bff/callback?state=${state}&${distinct(mostOctets - 200)}`, ''],
  ['POST', () => 'POST /bff/callback/form', distinct(mostInForm)],
])(
  'a callback of a sign-in that the attacker began stays within the processor budget: %s',
  async (method, targetOf, form) => {
    const status = await expectCheap(async () => {
      const { cookie: own, state } = await beginLogin(method === 'GET' ? 'corp' : 'form');
      const place = targetOf(state);
      const body = form && `state=${state}&${form}`;
      const attack = { into: 'form', text: body } as const;
      return bytesOf({ place, attack }, { Cookie: own });
    });
    expect(status).toBe(400);
  },
);

it('any anonymous request of 16 KB, or with a form of 60 KB, stays within the processor budget', async () => {
  const statuses = new Map<number, number>();
  const property = asyncProperty(adversarialRequest(places), async (request) => {
    const status = await expectCheap(() => sent(request));
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  });
  await assert(property, { numRuns: 3_000, interruptAfterTimeLimit: 8_000 });
  const refusedByNode = statuses.get(431) ?? 0;
  const all = [...statuses.values()].reduce((sum, count) => sum + count, 0);
  expect(refusedByNode).toBeLessThan(all / 10);
}, 60_000);
