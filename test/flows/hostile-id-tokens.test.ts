import { exportJWK, UnsecuredJWT } from 'jose';
import {
  base64url,
  changes,
  type IdToken,
  publicKeyOf,
  signedByUnknownKey,
  unknownKey,
  symmetric,
  withIdToken,
} from '../support/authorization-server/forged-id-tokens.ts';
import { startBff } from '../support/bff/bff.ts';
import {
  canary,
  withoutViolations,
  failed,
  HostileServerSetup,
  type Outcome,
} from '../support/authorization-server/hostile-server-setup.ts';
import { whoIs } from './steps.ts';

const hour = 3600;
const day = 24 * hour;
const now = () => Math.floor(Date.now() / 1000);

const deep = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;

/** Signed like the genuine one, but for its payload, which is this text. */
const payload =
  (text: (claims: object) => string): IdToken =>
  async ({ claims, genuine, setup }) => {
    const { CompactSign, importJWK } = await import('jose');
    const jwk = setup.server.signingKeys.find(({ kid }) => kid === 'rsa');
    const [header = ''] = genuine.split('.');
    const protectedHeader = JSON.parse(Buffer.from(header, 'base64url').toString()) as never;
    return new CompactSign(Buffer.from(text(claims)))
      .setProtectedHeader(protectedHeader)
      .sign((await importJWK(jwk as never, 'RS256')) as never);
  };

/**
 * ID tokens by the rule they break (OIDC Core §3.1.3.7, §3.1.3.8). No userinfo is asked and no
 * other address called for any.
 */
const wrong: readonly (readonly [id: string, what: string, make: IdToken])[] = [
  ['H-29', 'missing', () => undefined],
  ['H-29', 'empty', () => ''],
  ['H-29', 'null', () => null],
  ['H-29', 'a number', () => 1],
  ['H-29', 'a list', ({ genuine }) => [genuine]],
  ['H-29', 'garbage', () => `${canary}.b.c`],
  ['H-40', 'of another sign-in', changes({ nonce: 'another' })],
  ['H-40', 'without a nonce', changes({ nonce: undefined })],
  ['H-40', 'with an empty nonce', changes({ nonce: '' })],
  [
    'H-40',
    'with a list of nonces',
    ({ claims, sign }) => sign({ ...claims, nonce: [claims['nonce']] }),
  ],
  ['H-41', 'of another issuer', changes({ iss: `https://${canary}.example` })],
  [
    'H-41',
    'of an issuer with a slash',
    ({ claims, sign }) => sign({ ...claims, iss: `${claims.iss}/` }),
  ],
  [
    'H-41',
    'of an issuer in capitals',
    ({ claims, sign }) => sign({ ...claims, iss: claims.iss?.toUpperCase() }),
  ],
  [
    'H-41',
    'of an issuer by https',
    ({ claims, sign }) => sign({ ...claims, iss: claims.iss?.replace('http:', 'https:') }),
  ],
  ['H-41', 'of a list of issuers', ({ claims, sign }) => sign({ ...claims, iss: [claims.iss] })],
  ['H-41', 'without an issuer', changes({ iss: undefined })],
  ['H-42', 'for another client', changes({ aud: 'another' })],
  ['H-42', 'for a number', changes({ aud: 1 })],
  [
    'H-42',
    'for an object',
    ({ claims, sign }) => sign({ ...claims, aud: { [String(claims.aud)]: 1 } }),
  ],
  ['H-42', 'for nobody', changes({ aud: [] })],
  ['H-42', 'without an audience', changes({ aud: undefined })],
  [
    'H-42',
    'for us among others',
    ({ claims, sign }) => sign({ ...claims, aud: [claims.aud, 'another'] }),
  ],
  [
    'H-42',
    'for us and others, authorized for them',
    ({ claims, sign }) => sign({ ...claims, aud: [claims.aud, 'another'], azp: 'another' }),
  ],
  ['H-42', 'authorized for another client', changes({ azp: 'another' })],
  ['H-42', 'authorized for a list', ({ claims, sign }) => sign({ ...claims, azp: [claims.aud] })],
  ['H-43', 'that nobody signed', ({ claims }) => new UnsecuredJWT(claims).encode()],
  [
    'H-43',
    'that nobody signed, in odd letters',
    ({ claims }) => `${base64url({ alg: 'nOnE' })}.${base64url(claims)}.`,
  ],
  [
    'H-43',
    'with an empty algorithm',
    ({ claims }) => `${base64url({ alg: '' })}.${base64url(claims)}.`,
  ],
  [
    'H-43',
    'without an algorithm',
    ({ claims }) => `${base64url({ kid: 'rsa' })}.${base64url(claims)}.`,
  ],
  [
    'H-43',
    'with a list of algorithms',
    ({ genuine }) => genuine.replace(/^[^.]+/, base64url({ alg: ['RS256'], kid: 'rsa' })),
  ],
  ['H-43', 'whose signature is gone', ({ genuine }) => genuine.replace(/[^.]*$/, '')],
  ['H-43', 'of two parts', ({ genuine }) => genuine.split('.').slice(0, 2).join('.')],
  [
    'H-44',
    'signed with the client secret',
    ({ claims, setup }) => symmetric(claims, setup.server.clientSecret),
  ],
  [
    'H-44',
    'signed with the public key in PEM as a secret',
    ({ claims, setup }) =>
      symmetric(claims, publicKeyOf(setup.server).export({ format: 'pem', type: 'spki' })),
  ],
  [
    'H-44',
    'signed with the public key in DER as a secret',
    ({ claims, setup }) =>
      symmetric(claims, publicKeyOf(setup.server).export({ format: 'der', type: 'spki' })),
  ],
  [
    'H-44',
    'signed with the JWK as a secret',
    ({ claims, setup }) =>
      symmetric(claims, JSON.stringify(publicKeyOf(setup.server).export({ format: 'jwk' }))),
  ],
  ['H-45', 'signed with RS384', ({ claims, sign }) => sign(claims, { alg: 'RS384' })],
  ['H-45', 'signed with RS512', ({ claims, sign }) => sign(claims, { alg: 'RS512' })],
  [
    'H-45',
    'signed by the key of another algorithm',
    ({ claims, sign }) => sign(claims, { kid: 'rsa' }, 'ec'),
  ],
  [
    'H-45',
    'that says RS1',
    ({ genuine }) => genuine.replace(/^[^.]+/, base64url({ alg: 'RS1', kid: 'rsa' })),
  ],
  [
    'H-46',
    'whose signature was changed',
    ({ genuine }) => genuine.slice(0, -10) + genuine.slice(-10).split('').toReversed().join(''),
  ],
  [
    'H-46',
    'whose claims were changed',
    ({ genuine, claims }) => genuine.replace(/\..*\./, `.${base64url({ ...claims, sub: 'bob' })}.`),
  ],
  ['H-46', 'signed by a stranger', ({ claims }) => signedByUnknownKey(claims)],
  [
    'H-46',
    'signed by a stranger with a key nobody knows',
    ({ claims }) => signedByUnknownKey(claims, { kid: 'stranger' }),
  ],
  [
    'H-46',
    'that names another of the keys',
    ({ claims, sign }) => sign(claims, { kid: 'ec' }, 'rsa'),
  ],
  [
    'H-46',
    'that brings its key along',
    async ({ claims }) =>
      signedByUnknownKey(claims, { jwk: await exportJWK(unknownKey.publicKey) }),
  ],
  [
    'H-46',
    'that brings a certificate along',
    ({ claims }) => signedByUnknownKey(claims, { x5c: ['MIIB'] }),
  ],
  [
    'H-46',
    'that says where its key is (jku)',
    ({ claims, setup }) => signedByUnknownKey(claims, { jku: `${setup.bff.upstream.url}/jwks` }),
  ],
  [
    'H-46',
    'that says where its key is (x5u)',
    ({ claims, setup }) => signedByUnknownKey(claims, { x5u: `${setup.bff.upstream.url}/x5u` }),
  ],
  [
    'H-46',
    'whose kid is an address',
    ({ claims, setup }) => signedByUnknownKey(claims, { kid: `${setup.bff.upstream.url}/jwks` }),
  ],
  [
    'H-46',
    'whose kid is a path',
    ({ claims }) => signedByUnknownKey(claims, { kid: '../../../dev/null' }),
  ],
  [
    'H-46',
    'whose kid is __proto__',
    ({ claims }) => signedByUnknownKey(claims, { kid: '__proto__' }),
  ],
  ['H-46', 'whose kid is no text', ({ claims }) => signedByUnknownKey(claims, { kid: { a: 1 } })],
  ['H-47', 'that has expired', changes(() => ({ exp: now() - hour }))],
  ['H-47', 'whose end is text', changes({ exp: 'tomorrow' })],
  ['H-47', 'whose end is negative', changes({ exp: -1 })],
  ['H-47', 'that never ends', changes({ exp: undefined })],
  ['H-47', 'not yet valid', changes(() => ({ nbf: now() + hour }))],
  ['H-47', 'from the future', changes(() => ({ iat: now() + hour, exp: now() + 2 * hour }))],
  ['H-47', 'from last year', changes(() => ({ iat: now() - 365 * day }))],
  ['H-47', 'without the time it was made', changes({ iat: undefined })],
  ['H-47', 'made at a time that is text', changes({ iat: 'now' })],
  [
    'H-47',
    'of an authentication that is still to come',
    changes(() => ({ auth_time: now() + hour })),
  ],
  ['H-47', 'of an authentication at a time that is text', changes({ auth_time: 'now' })],
  ['H-48', 'about nobody', changes({ sub: undefined })],
  ['H-48', 'about an empty subject', changes({ sub: '' })],
  ['H-48', 'about a number', changes({ sub: 42 })],
  ['H-48', 'about a list', changes({ sub: ['alice'] })],
  ['H-48', 'about a subject with a line break', changes({ sub: `alice\r\nX-${canary}: 1` })],
  ['H-48', 'about a subject with a zero', changes({ sub: 'alice\u0000' })],
  ['H-48', 'about a subject of 10 kB', changes({ sub: 'x'.repeat(10_240) })],
  ['H-48', 'with a claim of 200 kB', changes({ note: 'x'.repeat(200_000) })],
  ['H-49', 'bound to another access token', changes({ at_hash: 'another' })],
  ['H-49', 'bound to an access token by an empty hash', changes({ at_hash: '' })],
  ['H-49', 'bound to an access token by a number', changes({ at_hash: 1 })],
  [
    'ID-14',
    'that is a logout token',
    ({ claims, sign }) =>
      sign(
        {
          ...claims,
          nonce: undefined,
          jti: 'a',
          events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
        },
        { typ: 'logout+jwt' },
      ),
  ],
  [
    'ID-15',
    'with an extension nobody knows',
    ({ claims, sign }) => sign(claims, { crit: ['b64'], b64: true }),
  ],
  ['ID-15', 'of four parts', ({ genuine }) => `${genuine}.x`],
  ['ID-15', 'of five parts, as if encrypted', ({ genuine }) => `${genuine}.x.y`],
  ['ID-15', 'of six parts', ({ genuine }) => `${genuine}.x.y.z`],
  ['ID-15', 'whose claims are no JSON', payload(() => `{"${canary}`)],
  ['ID-15', 'whose claims are a list', payload((claims) => JSON.stringify([claims]))],
  ['ID-15', 'whose claims are null', payload(() => 'null')],
  [
    'ID-15',
    'whose subject is said twice',
    payload((claims) =>
      JSON.stringify(claims).replace('{', '{"sub":"bob",').replace('"sub":"alice"', '"sub":""'),
    ),
  ],
];

/** ID tokens that are as they may be. */
const right: readonly (readonly [id: string, what: string, make: IdToken])[] = [
  ['ID-02', 'made again', ({ claims, sign }) => sign(claims)],
  ['ID-02', 'for a list of one', ({ claims, sign }) => sign({ ...claims, aud: [claims.aud] })],
  [
    'ID-02',
    'for several, authorized for us',
    ({ claims, sign }) => sign({ ...claims, aud: [claims.aud, 'x'], azp: claims.aud }),
  ],
  ['ID-03', 'authorized for us', ({ claims, sign }) => sign({ ...claims, azp: claims.aud })],
  ['ID-06', 'that expired a moment ago', changes(() => ({ exp: now() - 10 }))],
  ['ID-06', 'that ends at the end of time', changes({ exp: 1e300 })],
  ['ID-07', 'of a clock a little ahead', changes(() => ({ iat: now() + 5 }))],
  [
    'H-71',
    'of a clock five minutes ahead',
    changes(() => ({ iat: now() + 290, exp: now() + hour })),
  ],
  ['H-71', 'of a clock an hour behind', changes(() => ({ iat: now() - hour }))],
  ['H-49', 'without a hash of the access token', changes({ at_hash: undefined })],
  [
    'H-48',
    'with claims of odd names',
    ({ claims, sign }) =>
      sign(
        JSON.parse(
          JSON.stringify(claims).replace('{', '{"__proto__":{"isAdmin":true},"constructor":"x",'),
        ) as object,
      ),
  ],
  ['ID-15', 'with a list in a list in a list', changes({ groups: deep(1000) })],
];

describe('an ID token', () => {
  let setup: HostileServerSetup;
  beforeAll(async () => {
    setup = await HostileServerSetup.start({
      authorizationServer: { claimsInIdToken: false },
      provider: { maxResponse: '1mb' },
    });
  });
  afterAll(() => setup.close());
  beforeEach(() => setup.reset());

  it.each(wrong)('(%s) %s does not sign in', async (_id, _what, make) => {
    expect(await setup.run(withIdToken(make))).toEqual(withoutViolations(failed));
    expect(setup.server.requestsTo('userinfo')).toEqual([]);
  });

  it.each(right)('(%s) %s signs in', async (_id, _what, make) => {
    expect(await setup.run(withIdToken(make))).toEqual(withoutViolations('signed in'));
    expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined();
  });

  it.each<readonly [string, string, () => unknown, Outcome]>([
    ['H-47', 'just now', now, 'signed in'],
    ['H-47', 'too long ago', () => now() - hour, failed],
    ['H-47', 'nobody knows when', () => undefined, failed],
    ['H-47', 'at a time that is text', () => String(now()), failed],
    ['H-47', 'tomorrow', () => now() + day, failed],
  ])(
    '(%s) of an authentication %s, where max_age is a minute',
    async (_id, _what, time, outcome) => {
      setup.parameters = { max_age: '60' };
      const arrange = withIdToken(changes(() => ({ auth_time: time() })));
      expect(await setup.run(arrange)).toEqual(withoutViolations(outcome));
    },
  );

  it.each<readonly [string, IdToken]>([
    ['5000 groups', changes({ groups: Array.from({ length: 5000 }, (_, n) => `${canary} ${n}`) })],
    ['a sid of 70 kB', changes({ sid: 'x'.repeat(70_000) })],
    [
      'lists in lists without end',
      payload(
        (claims) =>
          `${JSON.stringify(claims).slice(0, -1)},"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
      ),
    ],
  ])('(H-48) with %s is more than a session should hold', async (_, make) => {
    expect(await setup.run(withIdToken(make))).toEqual(withoutViolations(failed));
  });

  it('(H-52) with an unknown key is refused at once, and a flood of them requests the keys twice', async () => {
    const forged = withIdToken(({ claims }) =>
      signedByUnknownKey(claims, { kid: `k${Math.random()}` }),
    );
    setup.clock.advance(10 * 60_000);
    for (let flood = 0; flood < 20; flood += 1)
      expect(await setup.run(forged)).toEqual(withoutViolations(failed));
    expect(setup.server.requestsTo('jwks').length).toBeLessThanOrEqual(2);
    expect(setup.server.requestsTo('discovery').length).toBeLessThanOrEqual(1);
  });

  it.each(['ES256', 'PS256', 'EdDSA'])('(ID-05) signed with %s signs in', async (algorithm) => {
    await using bff = await startBff({
      store: 'memory',
      authorizationServer: {
        client: { id_token_signed_response_alg: algorithm as 'ES256' },
        configuration: (usual) => ({
          ...usual,
          enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
        }),
      },
    });
    await expect(whoIs(await bff.signedIn())).resolves.toBe('alice');
  });
});
