import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createPublicKey } from 'node:crypto';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { startUpstream } from '../support/upstream/upstream.ts';
import { respondWith } from '../support/upstream/responses.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import {
  type LogoutResponse,
  type Forgery,
  keyOf,
  logoutClaims,
  logoutEvent,
  logoutToken,
  part,
  post,
  secretKey,
  send,
  type SignedIn,
  signedInAt,
  unknownKey,
} from './logout-tokens.ts';
import { keysOf, whoIs } from './steps.ts';

let bff: TestBff;
let alice: SignedIn;
let bob: SignedIn;
let sessions: string[];

beforeAll(async () => {
  bff = await startBff({ authorizationServer: { backchannelLogout: true } });
  alice = await signedInAt(bff);
  bob = await signedInAt(bff, 'bob');
  sessions = (await keysOf(bff, 'session')).toSorted();
});
afterAll(() => bff.close());
const aboutAlice = (claims: object = {}, forgery: Forgery = {}) =>
  logoutToken(bff.authorizationServer, { sub: 'alice', ...claims }, forgery);
const now = () => Math.floor(Date.now() / 1000);
const form = { 'content-type': 'application/x-www-form-urlencoded' };

/**
 * An unsigned token: its header, the claims of a valid one, and whatever is to stand for its
 * signature.
 */
const unsigned = (header: object, signature = '') =>
  `${part({ typ: 'logout+jwt', ...header })}.${part(
    logoutClaims(bff.authorizationServer, { sub: 'alice' }),
  )}.${signature}`;

/** A valid token with one of its three parts changed. */
async function withPart(place: 0 | 1 | 2, change: (text: string) => string): Promise<string> {
  const parts = (await aboutAlice()).split('.');
  return parts.map((text, index) => (index === place ? change(text) : text)).join('.');
}

function publicPem(): string {
  const jwk = bff.authorizationServer.signingKeys.find(({ kid }) => kid === 'rsa');
  const key = createPublicKey({ key: jwk as never, format: 'jwk' });
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

/** What is to be seen of an answer, and what it has changed. */
async function outcomeOf(response: Promise<LogoutResponse>) {
  const { status, headers, body, code } = await response;
  return {
    response: [status, code, headers.get('cache-control'), headers.get('set-cookie')],
    problem: body === '' ? undefined : (JSON.parse(body) as unknown),
    sessions: (await keysOf(bff, 'session')).toSorted(),
    revocations: bff.authorizationServer.requestsTo('revocation'),
  };
}

/** The outcome that changes nothing. */
const refusal = (status = 400, code = 'invalid_logout_token') => ({
  response: [status, code, 'no-store', null],
  problem: {
    type: `urn:pixie-bff:${code}`,
    title: expect.any(String),
    status,
    code,
    requestId: expect.any(String),
  },
  sessions,
  revocations: [],
});

describe('the back-channel endpoint refuses a request', () => {
  it.each<readonly [string, () => Promise<RequestInit>]>([
    ['with nothing in it', async () => ({})],
    ['with an empty form', async () => ({ body: '', headers: form })],
    ['without a logout_token', async () => ({ body: new URLSearchParams({ token: 'x' }) })],
    ['with an empty logout_token', async () => ({ body: 'logout_token=', headers: form })],
    [
      'with a logout_token that has no value',
      async () => ({ body: 'logout_token', headers: form }),
    ],
    [
      'with the same logout_token twice',
      async () => {
        const token = await aboutAlice();
        return { body: `logout_token=${token}&logout_token=${token}`, headers: form };
      },
    ],
    [
      'with a second logout_token that is empty',
      async () => ({ body: `logout_token=${await aboutAlice()}&logout_token=`, headers: form }),
    ],
    [
      'with the parameter spelt otherwise',
      async () => ({ body: `LOGOUT_TOKEN=${await aboutAlice()}`, headers: form }),
    ],
    [
      'with the parameter spelt like a list',
      async () => ({ body: `logout_token[]=${await aboutAlice()}`, headers: form }),
    ],
    [
      'in JSON',
      async () => ({
        body: JSON.stringify({ logout_token: await aboutAlice() }),
        headers: { 'content-type': 'application/json' },
      }),
    ],
    [
      'of another type',
      async () => ({
        body: `logout_token=${await aboutAlice()}`,
        headers: { 'content-type': 'text/plain' },
      }),
    ],
    [
      'of a type that only begins like a form’s',
      async () => ({
        body: `logout_token=${await aboutAlice()}`,
        headers: { 'content-type': 'application/x-www-form-urlencodedx' },
      }),
    ],
    [
      'of several parts',
      async () => {
        const body = new FormData();
        body.set('logout_token', await aboutAlice());
        return { body };
      },
    ],
    [
      'without a type',
      async () => ({ body: new Uint8Array(Buffer.from(`logout_token=${await aboutAlice()}`)) }),
    ],
  ])('%s', async (_, init) => {
    expect(await outcomeOf(post(bff, await init()))).toEqual(refusal());
  });

  it('without a body, as its framing says', async () => {
    const head = 'POST /bff/backchannel HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';
    const { text } = await rawRequest(
      bff.port,
      `${head}Content-Type: application/x-www-form-urlencoded\r\n\r\n`,
    );
    expect(text).toContain('"code":"invalid_logout_token"');
  });

  it('with the token in the query', async () => {
    const url = `http://127.0.0.1:${bff.port}/bff/backchannel?logout_token=${await aboutAlice()}`;
    expect((await fetch(url, { method: 'POST' })).status).toBe(400);
    expect((await keysOf(bff, 'session')).toSorted()).toEqual(sessions);
  });

  it.each(['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('by %s', async (method) => {
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const body = hasBody ? new URLSearchParams({ logout_token: await aboutAlice() }) : undefined;
    const response = await post(bff, { method, ...(body && { body }) });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect((await keysOf(bff, 'session')).toSorted()).toEqual(sessions);
  });

  it.each(['/bff/backchannel/', '/bff/backchannel/x'])(
    'at %s, where there is nothing',
    async (path) => {
      const body = new URLSearchParams({ logout_token: await aboutAlice() });
      const response = await fetch(`http://127.0.0.1:${bff.port}${path}`, { method: 'POST', body });
      expect(response.status).toBe(404);
      expect((await keysOf(bff, 'session')).toSorted()).toEqual(sessions);
    },
  );

  it.each([
    ['a megabyte with a length', true, 1],
    ['a megabyte without one', false, 1],
    ['many megabytes', true, 20],
  ])('of %s', async (_, isDeclared, megabytes) => {
    const { statusCode, headers } = await upload(megabytes * 1024 * 1024, isDeclared);
    expect([statusCode, headers['cache-control']]).toEqual([413, 'no-store']);
  });
});

/** Sends a form of this size, with or without saying so before. */
function upload(size: number, isDeclared: boolean): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: '127.0.0.1',
      port: bff.port,
      path: '/bff/backchannel',
      method: 'POST',
      agent: false,
      headers: { ...form, ...(isDeclared && { 'content-length': size }) },
    });
    request.once('response', (response) => resolve(response.resume())).once('error', reject);
    request.end(`logout_token=${'x'.repeat(size - 'logout_token='.length)}`);
  });
}

describe('the back-channel endpoint refuses a logout token', () => {
  it.each<readonly [string, () => string | Promise<string>]>([
    // What is no signed JWT
    ['that is garbage', () => 'garbage'],
    ['that is three dots', () => '...'],
    ['of two parts', () => 'e30.e30'],
    ['of four parts', async () => `${await aboutAlice()}.x`],
    ['of five parts, as if it were encrypted', () => 'e30.e30.e30.e30.e30'],
    ['with a space before it', async () => ` ${await aboutAlice()}`],
    ['with a line break after it', async () => `${await aboutAlice()}\n`],
    ['that a comma joins to another', async () => `${await aboutAlice()},${await aboutAlice()}`],
    ['in the serialization of JSON', async () => asJson(await aboutAlice())],
    ['of 60 KB', () => aboutAlice({ more: 'x'.repeat(40_000) })],
    // RFC 8725 §3.1, §3.2: algorithms
    ['signed by nobody: none', () => unsigned({ alg: 'none' })],
    ['signed by nobody: None', () => unsigned({ alg: 'None' })],
    ['signed by nobody: NONE', () => unsigned({ alg: 'NONE' })],
    ['signed by nobody: nOnE', () => unsigned({ alg: 'nOnE' })],
    ['signed by nobody, with a signature', () => unsigned({ alg: 'none' }, 'c2ln')],
    ['signed by nobody, with two parts', () => unsigned({ alg: 'none' }).slice(0, -1)],
    ['signed by nobody who says RS256', () => unsigned({ alg: 'RS256', kid: 'rsa' })],
    ['without an algorithm', () => unsigned({}, 'c2ln')],
    ['whose algorithm is empty', () => unsigned({ alg: '' }, 'c2ln')],
    ['whose algorithm is a list', () => unsigned({ alg: ['RS256'] }, 'c2ln')],
    [
      'signed with the client secret',
      () => {
        const key = secretKey(bff.authorizationServer.clientSecret);
        return aboutAlice({}, { header: { alg: 'HS256', kid: undefined }, key });
      },
    ],
    [
      'signed with the public key as a secret',
      () => aboutAlice({}, { header: { alg: 'HS256' }, key: secretKey(publicPem()) }),
    ],
    [
      'signed with an algorithm we do not allow',
      async () => {
        const key = await keyOf(bff.authorizationServer, 'RS512');
        return aboutAlice({}, { header: { alg: 'RS512' }, key });
      },
    ],
    // Keys
    ['signed with another key', () => aboutAlice({}, { key: unknownKey.privateKey })],
    [
      'signed with another key of another name',
      () => aboutAlice({}, { key: unknownKey.privateKey, header: { kid: 'unknown' } }),
    ],
    ['that names an unknown key', () => aboutAlice({}, { header: { kid: 'unknown' } })],
    ['whose kid is a number', () => aboutAlice({}, { header: { kid: 1 } })],
    [
      'that brings its key along (jwk)',
      () => {
        const jwk = unknownKey.publicKey.export({ format: 'jwk' });
        return aboutAlice({}, { key: unknownKey.privateKey, header: { jwk } });
      },
    ],
    [
      'with an extension nobody understands (crit)',
      () => aboutAlice({}, { header: { crit: ['b64'], b64: true } }),
    ],
    ['whose claims were changed', () => withPart(1, (claims) => forBob(claims))],
    ['whose header was changed', () => withPart(0, (header) => withMember(header, 'x', 1))],
    ['whose signature was cut', () => withPart(2, (signature) => signature.slice(0, -4))],
    ['whose signature was cut to nothing', () => withPart(2, () => '')],
    ['whose signature was altered', () => withPart(2, altered)],
    // OIDC Back-Channel Logout §2.6 item 4
    ['of another issuer', () => aboutAlice({ iss: 'https://evil.example' })],
    ['of our issuer with a slash', () => aboutAlice({ iss: `${bff.authorizationServer.issuer}/` })],
    ['without an issuer', () => aboutAlice({ iss: undefined })],
    ['of a list of issuers', () => aboutAlice({ iss: [bff.authorizationServer.issuer] })],
    ['for another client', () => aboutAlice({ aud: 'another-client' })],
    ['for a client whose name begins like ours', () => aboutAlice({ aud: 'test-client-2' })],
    ['for other clients', () => aboutAlice({ aud: ['one', 'two'] })],
    ['for nobody', () => aboutAlice({ aud: [] })],
    ['without an audience', () => aboutAlice({ aud: undefined })],
    ['whose audience is an object', () => aboutAlice({ aud: { 'test-client': true } })],
    ['without iat', () => aboutAlice({ iat: undefined })],
    ['whose iat is text', () => aboutAlice({ iat: String(now()) })],
    ['from the future', () => aboutAlice({ iat: now() + 300, exp: now() + 420 })],
    ['that is not valid yet', () => aboutAlice({ nbf: now() + 300 })],
    ['without exp', () => aboutAlice({ exp: undefined })],
    ['whose exp is null', () => aboutAlice({ exp: null })],
    ['whose exp is text', () => aboutAlice({ exp: String(now() + 120) })],
    ['that has expired', () => aboutAlice({ iat: now() - 180, exp: now() - 60 })],
    ['that is a year old', () => aboutAlice({ iat: now() - 3e7, exp: now() - 3e7 + 120 })],
    // item 5
    ['about nobody', () => aboutAlice({ sub: undefined })],
    ['about an empty sub', () => aboutAlice({ sub: '' })],
    ['about a number', () => aboutAlice({ sub: 1 })],
    ['about null', () => aboutAlice({ sub: null })],
    ['about a list', () => aboutAlice({ sub: ['alice'] })],
    ['about an empty sid', () => aboutAlice({ sid: '' })],
    ['about a sid that is null', () => aboutAlice({ sub: undefined, sid: null })],
    ['about a list of sids', () => aboutAlice({ sub: undefined, sid: [alice.sid] })],
    ['with the sid of alice and the sub of bob', () => aboutAlice({ sub: 'bob', sid: alice.sid })],
    ['with the sid of bob and the sub of alice', () => aboutAlice({ sid: bob.sid })],
    // item 6
    ['without events', () => aboutAlice({ events: undefined })],
    ['whose events are null', () => aboutAlice({ events: null })],
    ['whose events are text', () => aboutAlice({ events: logoutEvent })],
    ['whose events are a list', () => aboutAlice({ events: [logoutEvent] })],
    ['of no event', () => aboutAlice({ events: {} })],
    ['of another event', () => aboutAlice({ events: { 'urn:example:event': {} } })],
    ['whose event is null', () => aboutAlice({ events: { [logoutEvent]: null } })],
    ['whose event is a list', () => aboutAlice({ events: { [logoutEvent]: [] } })],
    ['whose event is true', () => aboutAlice({ events: { [logoutEvent]: true } })],
    // item 7
    ['with a nonce', () => aboutAlice({ nonce: 'nonce' })],
    ['with an empty nonce', () => aboutAlice({ nonce: '' })],
    ['with a nonce that is null', () => aboutAlice({ nonce: null })],
    ['that is an ID token', () => alice.idToken],
    ['that is an ID token of another type', () => asLogoutToken(alice.idToken)],
    // §2.4
    ['without jti', () => aboutAlice({ jti: undefined })],
    ['whose jti is empty', () => aboutAlice({ jti: '' })],
    ['whose jti is a number', () => aboutAlice({ jti: 1 })],
    ['without a type', () => aboutAlice({}, { header: { typ: undefined } })],
    ['of the type JWT', () => aboutAlice({}, { header: { typ: 'JWT' } })],
    ['of the type at+jwt', () => aboutAlice({}, { header: { typ: 'at+jwt' } })],
    ['of the type id_token', () => aboutAlice({}, { header: { typ: 'id_token' } })],
    ['of the type logout', () => aboutAlice({}, { header: { typ: 'logout' } })],
  ])('%s', async (_, token) => {
    expect(await outcomeOf(send(bff, await token()))).toEqual(refusal());
  });

  it.each(['jku', 'x5u'])(
    'that says where its key is (%s), and does not look there',
    async (name) => {
      const jwk = { ...unknownKey.publicKey.export({ format: 'jwk' }), kid: 'elsewhere' };
      const elsewhere = await startUpstream(respondWith(200, { keys: [jwk] }));
      const header = { [name]: elsewhere.url, kid: 'elsewhere' };
      const token = await aboutAlice({}, { key: unknownKey.privateKey, header });
      expect(await outcomeOf(send(bff, token))).toEqual(refusal());
      expect(elsewhere.requests).toEqual([]);
      await elsewhere.close();
    },
  );

  it('but says why in the log alone, and quotes nothing of it', async () => {
    const canary = 'canary-41c7';
    const token = await aboutAlice({ [canary]: canary, sub: canary, aud: 'another-client' });
    const { body } = await send(bff, token);
    expect(body).not.toMatch(/aud|client|canary/);
    expect(bff.logs.lines).toContainEqual(
      expect.objectContaining({
        code: 'invalid_logout_token',
        reason: 'logout token: aud does not contain test-client',
      }),
    );
    for (const secret of [canary, token, token.split('.')[2] ?? '']) {
      expect(bff.logs.text).not.toContain(secret);
    }
  });
});

function asJson(token: string): string {
  const [header, payload, signature] = token.split('.');
  return JSON.stringify({ protected: header, payload, signature });
}

function withMember(encoded: string, name: string, value: unknown): string {
  const members = JSON.parse(Buffer.from(encoded, 'base64url').toString()) as object;
  return part({ ...members, [name]: value });
}

const forBob = (claims: string) => withMember(claims, 'sub', 'bob');

/** Another character in the middle, where each stands for six bits of the signature. */
function altered(signature: string): string {
  const at = signature.length >> 1;
  return signature.slice(0, at) + (signature[at] === 'A' ? 'B' : 'A') + signature.slice(at + 1);
}

function asLogoutToken(idToken: string): string {
  const [header = '', ...others] = idToken.split('.');
  return [withMember(header, 'typ', 'logout+jwt'), ...others].join('.');
}

describe('a flood of forged tokens', () => {
  it('causes one more request for the keys at most, and all others are served', async () => {
    const { authorizationServer } = bff;
    const key = unknownKey.privateKey;
    const forged = await Promise.all(
      Array.from({ length: 300 }, (_, n) => aboutAlice({}, { key, header: { kid: `k${n}` } })),
    );
    const before = authorizationServer.requestsTo('jwks').length;
    const flood = forged.map(async (token) => (await send(bff, token)).status);
    const served = await Promise.all(Array.from({ length: 10 }, () => whoIs(alice.browser)));
    expect(new Set(served)).toEqual(new Set(['alice']));
    expect(new Set(await Promise.all(flood))).toEqual(new Set([400]));
    expect(authorizationServer.requestsTo('jwks').length - before).toBeLessThanOrEqual(1);
  });
});
