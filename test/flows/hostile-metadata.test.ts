import { exportJWK, generateKeyPair, type JWK, UnsecuredJWT } from 'jose';
import { generateKeyPairSync } from 'node:crypto';
import { respondWith } from '../support/upstream/responses.ts';
import {
  publicKeyOf,
  signAs,
  signedByUnknownKey,
  unknownKey,
  symmetric,
  withIdToken,
} from '../support/authorization-server/forged-id-tokens.ts';
import {
  type Arrange,
  canary,
  failed,
  withoutViolations,
  HostileServerSetup,
  inOrder,
  type Misbehaviour,
  unavailable,
} from '../support/authorization-server/hostile-server-setup.ts';
import { testTls } from '../support/network/tls.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';

const minute = 60_000;

/** The metadata are as they should be, but for these members; `undefined` takes one away. */
const metadata =
  (values: Record<string, unknown> | ((issuer: string) => Record<string, unknown>)): Arrange =>
  (setup) =>
    setup.server.transform('discovery', (json) => ({
      ...json,
      ...(typeof values === 'function' ? values(setup.server.issuer) : values),
    }));

/** What the provider publishes as its keys. */
const jwks =
  (make: (genuine: JWK, setup: HostileServerSetup) => unknown): Arrange =>
  async (setup) => {
    const genuine = publicKeyOf(setup.server).export({ format: 'jwk' }) as JWK;
    const keys = await make({ ...genuine, kid: 'rsa', use: 'sig', alg: 'RS256' }, setup);
    setup.server.override('jwks', respondWith(200, keys as object));
  };

const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
const ec = await exportJWK((await generateKeyPair('ES256')).publicKey);
const freshKey: JWK = { ...(await exportJWK(unknownKey.publicKey)), kid: 'fresh', use: 'sig' };
const signedAfresh = withIdToken(({ claims }) => signedByUnknownKey(claims, { kid: 'fresh' }));
const withoutKid = withIdToken(({ claims, sign }) => sign(claims, { kid: undefined }));

let untrusted: Upstream;
beforeAll(async () => {
  untrusted = await startUpstream(respondWith(200, {}), { tls: testTls() });
});
afterAll(() => untrusted.close());

/**
 * What a provider may say of itself (OIDC Discovery §4). It is asked for at the first sign-in,
 * which this is.
 */
const documents: readonly Misbehaviour[] = [
  ['H-57', 'an issuer elsewhere', metadata({ issuer: `https://${canary}.example` }), failed],
  ['H-57', 'an issuer with a slash', metadata((issuer) => ({ issuer: `${issuer}/` })), failed],
  [
    'H-57',
    'an issuer with a path',
    metadata((issuer) => ({ issuer: `${issuer}/${canary}` })),
    failed,
  ],
  ['H-57', 'an issuer of 30 kB', metadata({ issuer: `https://a/${canary.repeat(5000)}` }), failed],
  ['H-57', 'no issuer', metadata({ issuer: undefined }), failed],
  ['H-57', 'a list of issuers', metadata((issuer) => ({ issuer: [issuer] })), failed],
  [
    'H-20',
    'a script as authorization endpoint',
    metadata({ authorization_endpoint: `javascript:${canary}` }),
    failed,
  ],
  [
    'H-20',
    'data as authorization endpoint',
    metadata({ authorization_endpoint: `data:text/html,${canary}` }),
    failed,
  ],
  [
    'H-20',
    'a path as authorization endpoint',
    metadata({ authorization_endpoint: '/auth' }),
    failed,
  ],
  [
    'H-20',
    'a list of authorization endpoints',
    metadata((issuer) => ({ authorization_endpoint: [`${issuer}/auth`] })),
    failed,
  ],
  ['H-20', 'no authorization endpoint', metadata({ authorization_endpoint: undefined }), failed],
  [
    'H-20',
    'an authorization endpoint with a query',
    metadata((issuer) => ({ authorization_endpoint: `${issuer}/auth?tenant=a%26b` })),
    'signed in',
  ],
  [
    'H-20',
    'an authorization endpoint with a fragment',
    metadata((issuer) => ({ authorization_endpoint: `${issuer}/auth#x` })),
    'signed in',
  ],
  [
    'DISC-02',
    'a file as token endpoint',
    metadata({ token_endpoint: 'file:///etc/passwd' }),
    failed,
  ],
  [
    'DISC-02',
    'a script as token endpoint',
    metadata({ token_endpoint: `javascript:${canary}` }),
    failed,
  ],
  ['DISC-02', 'a path as token endpoint', metadata({ token_endpoint: '/token' }), failed],
  ['DISC-02', 'no token endpoint', metadata({ token_endpoint: undefined }), failed],
  [
    'H-24',
    'a token endpoint where nobody listens',
    metadata({ token_endpoint: 'http://127.0.0.1:1/token' }),
    unavailable,
  ],
  [
    'H-24',
    'a token endpoint at a host that is none',
    metadata({ token_endpoint: 'http://nowhere.invalid/token' }),
    unavailable,
  ],
  [
    'H-24',
    'a token endpoint whose certificate nobody signed',
    (setup) => metadata({ token_endpoint: `${untrusted.url}/token` })(setup),
    unavailable,
  ],
  [
    'H-24',
    'a token endpoint that speaks no TLS',
    (setup) => metadata({ token_endpoint: setup.server.issuer.replace('http:', 'https:') })(setup),
    unavailable,
  ],
  ['H-53', 'no place for keys', metadata({ jwks_uri: undefined }), unavailable],
  ['H-53', 'a file of keys', metadata({ jwks_uri: 'file:///etc/passwd' }), unavailable],
  [
    'H-45',
    'that it signs with none, and does',
    inOrder(
      metadata({ id_token_signing_alg_values_supported: ['none', 'RS256'] }),
      withIdToken(({ claims }) => new UnsecuredJWT(claims).encode()),
    ),
    failed,
  ],
  [
    'H-45',
    'that it signs with HS256, and does',
    inOrder(
      metadata({ id_token_signing_alg_values_supported: ['HS256', 'RS256'] }),
      withIdToken(({ claims, setup }) => symmetric(claims, setup.server.clientSecret)),
    ),
    failed,
  ],
  [
    'H-45',
    'that it signs with nothing we allow',
    metadata({ id_token_signing_alg_values_supported: ['none', 'HS256', 'RS1'] }),
    failed,
  ],
  [
    'H-45',
    'an algorithm of 30 kB',
    metadata({ id_token_signing_alg_values_supported: ['HS256'.repeat(6000)] }),
    failed,
  ],
  [
    'H-45',
    'a number as what it signs with',
    metadata({ id_token_signing_alg_values_supported: 42 }),
    failed,
  ],
  [
    'H-45',
    'a text as what it signs with',
    metadata({ id_token_signing_alg_values_supported: 'xRS256' }),
    failed,
  ],
  ['H-53', 'no keys at all', jwks(() => ({ keys: [] })), failed],
  ['H-53', 'keys that are none', jwks(() => ({})), failed],
  ['H-53', 'a text as keys', jwks(() => ({ keys: canary })), failed],
  ['H-53', 'null among the keys', jwks((key) => ({ keys: [null, key] })), failed],
  ['H-53', 'a number among the keys', jwks((key) => ({ keys: [1, key] })), failed],
  ['H-53', 'an empty key', jwks(() => ({ keys: [{}] })), failed],
  [
    'H-53',
    'a key that is cut off',
    jwks((key) => ({ keys: [{ ...key, n: key.n?.slice(0, 9) }] })),
    failed,
  ],
  [
    'H-53',
    'a key without its numbers',
    jwks(() => ({ keys: [{ kty: 'RSA', kid: 'rsa' }] })),
    failed,
  ],
  [
    'H-53',
    'a secret as key',
    inOrder(
      jwks(() => ({ keys: [{ kty: 'oct', kid: 'rsa', k: 'AAAA' }] })),
      withIdToken(({ claims }) => symmetric(claims, Buffer.alloc(3))),
    ),
    failed,
  ],
  [
    'H-53',
    'a key of 1024 bits',
    inOrder(
      jwks(() => ({ keys: [{ ...small.publicKey.export({ format: 'jwk' }), kid: 'rsa' }] })),
      withIdToken(async ({ claims }) => {
        const { createSign } = await import('node:crypto');
        const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
        const text = `${part({ alg: 'RS256', kid: 'rsa' })}.${part(claims)}`;
        return `${text}.${createSign('sha256').update(text).sign(small.privateKey).toString('base64url')}`;
      }),
    ),
    failed,
  ],
  [
    'H-53',
    'more keys than it may',
    jwks((key) => ({ keys: Array.from({ length: 1000 }, () => key) })),
    unavailable,
  ],
  [
    'H-53',
    'a hundred other keys',
    jwks((key) => ({
      keys: [...Array.from({ length: 100 }, (_, n) => ({ ...ec, kid: `k${n}` })), key],
    })),
    'signed in',
  ],
  [
    'H-53',
    'only keys to encrypt with',
    jwks((key) => ({ keys: [{ ...key, use: 'enc' }] })),
    failed,
  ],
  [
    'H-53',
    'only keys for another algorithm',
    jwks((key) => ({ keys: [{ ...key, alg: 'RS512' }] })),
    failed,
  ],
  [
    'H-54',
    'one key without a name, and neither has the token',
    inOrder(
      jwks((key) => ({ keys: [{ ...key, kid: undefined }] })),
      withoutKid,
    ),
    'signed in',
  ],
  [
    'H-54',
    'one key, which the token does not name',
    inOrder(
      jwks((key) => ({ keys: [key] })),
      withoutKid,
    ),
    'signed in',
  ],
  [
    'H-54',
    'two keys, and the token names none',
    inOrder(
      jwks((key) => ({ keys: [key, freshKey] })),
      withoutKid,
    ),
    failed,
  ],
  ['H-55', 'that the key was withdrawn', jwks(() => ({ keys: [freshKey] })), failed],
  [
    'H-56',
    'decoys of the same name',
    jwks((key) => ({
      keys: [
        { ...ec, kid: 'rsa' },
        { ...freshKey, kid: 'rsa', use: 'enc' },
        { ...freshKey, kid: 'rsa', alg: 'RS512' },
        { kty: 'oct', kid: 'rsa', k: 'AAAA' },
        key,
      ],
    })),
    'signed in',
  ],
];

describe('a provider that announces', () => {
  let setup: HostileServerSetup;
  beforeAll(async () => {
    setup = await HostileServerSetup.start();
  });
  afterAll(() => setup.close());
  beforeEach(async () => {
    await setup.reset();
    await setup.restart();
  });

  it.each(documents)('(%s) %s', async (_id, _what, arrange, outcome) => {
    expect(await setup.run(arrange)).toEqual(withoutViolations(outcome));
    expect(untrusted.requests).toEqual([]);
    expect(setup.server.requestsTo('jwks').length).toBeLessThanOrEqual(2);
  });
});

describe('a provider that changes its keys', () => {
  let setup: HostileServerSetup;
  beforeEach(async () => {
    setup = await HostileServerSetup.start({ authorizationServer: { accessTokenSeconds: 60 } });
    await setup.run();
  });
  afterEach(() => setup.close());

  const keyRequests = () => setup.server.requestsTo('jwks').length;
  const rotate = jwks(() => ({ keys: [freshKey] }));

  it('(H-51) a moment after they were fetched fails no sign-in', async () => {
    expect(await setup.run(inOrder(rotate, signedAfresh))).toEqual(withoutViolations('signed in'));
    expect(keyRequests()).toBe(2);
    expect(await setup.run(signedAfresh)).toEqual(withoutViolations('signed in'));
    expect(keyRequests()).toBe(2);
  });

  it('(H-50) later on fails no sign-in either', async () => {
    setup.clock.advance(2 * minute);
    expect(await setup.run(inOrder(rotate, signedAfresh))).toEqual(withoutViolations('signed in'));
    expect(keyRequests()).toBe(2);
  });

  it('(H-51) fails none of many simultaneous sign-ins, and gets one request', async () => {
    await rotate(setup);
    await signedAfresh(setup);
    const pages = await Promise.all(
      Array.from({ length: 20 }, () => setup.bff.signIn(setup.browser())),
    );
    const ends = pages.map(({ history }) => history.find(({ url }) => url.includes('/callback')));
    expect(ends.map((hop) => hop?.status)).toEqual(Array(20).fill(302));
    expect(keyRequests()).toBe(2);
  });

  it('(H-51) fails no sign-in although forged tokens have just made the BFF request the keys', async () => {
    const issuer = setup.server.issuer;
    const now = Math.floor(Date.now() / 1000);
    const flood = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
        const claims = {
          iss: issuer,
          aud: setup.server.clientId,
          sub: 'alice',
          iat: now,
          exp: now + 60,
          jti: `${n}`,
          events,
        };
        const body = new URLSearchParams({
          logout_token: await signAs(setup.server, claims, { typ: 'logout+jwt', kid: `k${n}` }),
        });
        return (
          await fetch(`http://127.0.0.1:${setup.bff.port}/bff/backchannel`, {
            method: 'POST',
            body,
          })
        ).status;
      }),
    );
    expect(new Set(flood)).toEqual(new Set([400]));
    expect(await setup.run(inOrder(rotate, signedAfresh))).toEqual(withoutViolations('signed in'));
    expect(keyRequests()).toBeLessThanOrEqual(3);
  });

  it('(H-52) without publishing them gets one request in ten seconds', async () => {
    for (const expected of [2, 3]) {
      for (let attempt = 0; attempt < 10; attempt += 1) {
        await setup.bff.redis.clear();
        expect(await setup.run(signedAfresh)).toEqual(withoutViolations(failed));
      }
      expect(keyRequests()).toBe(expected);
      setup.clock.advance(10_000);
    }
    expect(setup.server.requestsTo('discovery').length).toBeLessThanOrEqual(2);
  });

  it('(H-55) takes the old ones back within five minutes', async () => {
    await rotate(setup);
    setup.clock.advance(5 * minute);
    await setup.bff.redis.clear();
    expect(await setup.run()).toEqual(withoutViolations(failed));
  });

  it('(ID-19) and where they are is found by one of the next sign-ins', async () => {
    await metadata((issuer) => ({ jwks_uri: `${issuer}/elsewhere` }))(setup);
    setup.server.override('/elsewhere', respondWith(200, { keys: [freshKey] }));
    await waitFor(async () => (await setup.run(signedAfresh)).outcome === 'signed in');
    expect(setup.server.requestsTo('discovery')).toHaveLength(2);
  });

  it('(ID-19) fails no refresh', async () => {
    setup.clock.advance(61_000);
    await inOrder(rotate, signedAfresh)(setup);
    expect((await setup.visitor.fetch('/api/x')).status).toBe(200);
    expect([setup.server.tokenRequests('refresh_token').length, keyRequests()]).toEqual([1, 2]);
  });
});
