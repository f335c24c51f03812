import { createHmac } from 'node:crypto';
import type { ProviderOptions } from '../../../src/config/options.ts';
import { Provider } from '../../../src/oauth/provider/provider.ts';
import { hang, inTurn, respondWith } from '../../support/upstream/responses.ts';
import type { BearerIssuers } from '../../../src/oauth/bearer/bearer-issuers.ts';
import { audience, newKey, refusalOf, type TokenChanges, TokenIssuer } from './token-issuer.ts';

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token with its parts changed after it was signed. */
function withParts(token: string, change: (parts: string[]) => string[]): string {
  return change(token.split('.')).join('.');
}

describe('a JWT access token', () => {
  let issuer: TokenIssuer;
  let issuers: BearerIssuers;

  beforeAll(async () => {
    issuer = await TokenIssuer.start();
    issuers = issuer.issuers();
  });
  afterAll(() => issuer[Symbol.asyncDispose]());

  const now = () => Math.floor(issuer.clock.now() / 1000);

  it('says who calls with which scopes until when', async () => {
    const claims = { acr: 'high', auth_time: now() - 60, groups: ['staff'] };
    const verified = await issuers.verify(await issuer.token({ claims }));
    expect(verified).toEqual({
      issuer: issuer.issuer,
      sub: 'alice',
      claims: { ...issuer.claims(), ...claims },
      scopes: ['orders:read', 'orders:write'],
      expiresAt: (now() + 300) * 1000,
      acr: 'high',
      authTime: (now() - 60) * 1000,
    });
  });

  it.each<readonly [string, TokenChanges]>([
    ['a type with application/ in any case', { header: { typ: 'Application/AT+JWT' } }],
    ['several audiences', { claims: { aud: ['other', audience] } }],
    ['no kid, if only one key fits', { header: { kid: undefined } }],
    ['a clock that is half a minute ahead', { claims: { iat: 30 } }],
    ['no client_id and no jti', { claims: { client_id: undefined, jti: undefined } as never }],
    ['keys of its own choice in the header', { header: { jku: 'https://evil.test', x5u: 'x' } }],
  ])('passes with %s', async (_, { header, claims }) => {
    const iat = claims?.iat === undefined ? {} : { iat: now() + claims.iat };
    const changes = { ...(header && { header }), claims: { ...claims, ...iat } };
    await expect(issuers.verify(await issuer.token(changes))).resolves.toMatchObject({
      sub: 'alice',
    });
  });

  it.each<readonly [string, unknown, readonly string[]]>([
    ['a text', 'a  b a', ['a', 'b']],
    ['a list', ['a', 'b'], ['a', 'b']],
    ['nothing', undefined, []],
  ])('has scopes as %s, as scope or scp', async (_, value, scopes) => {
    for (const name of ['scope', 'scp']) {
      const claims = { scope: undefined, [name]: value } as never;
      await expect(issuers.verify(await issuer.token({ claims }))).resolves.toMatchObject({
        scopes,
      });
    }
  });

  it('does not widen its scope with scp', async () => {
    const token = await issuer.token({ claims: { scope: 'a', scp: 'admin' } });
    await expect(issuers.verify(token)).resolves.toMatchObject({ scopes: ['a'] });
  });

  it('names the key that it is bound to', async () => {
    const jkt = 'a'.repeat(43);
    const token = await issuer.token({ claims: { cnf: { jkt } } });
    await expect(issuers.verify(token)).resolves.toMatchObject({ keyThumbprint: jkt });
  });

  const jkt = 'a'.repeat(43);
  it.each<readonly [string, string, TokenChanges]>([
    ['an ID token', 'typ is not at+jwt', { header: { typ: 'JWT' } }],
    ['a token without a type', 'typ is not at+jwt', { header: { typ: undefined } }],
    ['a logout token', 'typ is not at+jwt', { header: { typ: 'logout+jwt' } }],
    ['an unknown critical header', 'crit', { header: { crit: ['x'], x: 1 } }],
    ['another issuer', 'iss is none', { claims: { iss: 'https://evil.test' } }],
    ['an issuer that differs by a slash', 'iss is none', { claims: { iss: 'SLASH' } }],
    ['a list of issuers', 'iss is none', { claims: { iss: ['x'] as never } }],
    ['no issuer', 'iss is none', { claims: { iss: undefined } as never }],
    ['another audience', 'aud does not contain', { claims: { aud: 'other' } }],
    ['an audience in another case', 'aud does not', { claims: { aud: audience.toUpperCase() } }],
    ['no audience', 'aud is neither', { claims: { aud: undefined } as never }],
    ['an empty list of audiences', 'aud does not contain', { claims: { aud: [] } }],
    ['an audience that is no text', 'aud is neither', { claims: { aud: [audience, 1] as never } }],
    ['no exp', 'exp is missing', { claims: { exp: undefined } as never }],
    ['an exp of now', 'it has expired', { claims: { exp: 0 } }],
    ['an exp that is a text', 'exp is no time', { claims: { exp: '9999999999' as never } }],
    ['an exp beyond all dates', 'exp is no time', { claims: { exp: 1e300 } }],
    ['an nbf in two minutes', 'nbf is in the future', { claims: { nbf: 120 } }],
    ['an nbf that is no time', 'nbf is no time', { claims: { nbf: 'x' as never } }],
    ['an iat in two minutes', 'iat is in the future', { claims: { iat: 120 } }],
    ['no iat', 'iat is missing', { claims: { iat: undefined } as never }],
    ['an auth_time in two minutes', 'auth_time is in the', { claims: { auth_time: 120 } }],
    ['no subject', 'sub is missing', { claims: { sub: undefined } as never }],
    ['a subject that is no text', 'sub is no text', { claims: { sub: 1 as never } }],
    ['scopes of numbers', 'scope is neither', { claims: { scope: [1] } }],
    ['a certificate', 'it is bound by something', { claims: { cnf: { 'x5t#S256': jkt } } }],
    [
      'a key and a certificate',
      'it is bound by something',
      { claims: { cnf: { jkt, 'x5t#S256': jkt } } },
    ],
    ['a key as a JWK', 'it is bound by something', { claims: { cnf: { jwk: {} } } }],
    ['an empty binding', 'cnf.jkt is no', { claims: { cnf: {} } }],
    ['a binding that is a text', 'cnf is no object', { claims: { cnf: jkt } }],
    ['a thumbprint that is too short', 'cnf.jkt is no', { claims: { cnf: { jkt: 'short' } } }],
  ])('is refused with %s', async (_, reason, { header, claims = {} }) => {
    const times = ['exp', 'nbf', 'iat', 'auth_time'] as const;
    const absolute = times
      .filter((name) => typeof claims[name] === 'number' && claims[name] < 1000)
      .map((name) => [name, now() + Number(claims[name])] as const);
    const iss = claims.iss === 'SLASH' ? { iss: `${issuer.issuer}/` } : {};
    const changed = { ...claims, ...Object.fromEntries(absolute), ...iss };
    const token = await issuer.token({ ...(header && { header }), claims: changed } as never);
    const requests = issuer.server.requests.length;
    await expect(refusalOf(() => issuers.verify(token))).resolves.toContain(
      `invalid_token: access token: ${reason}`,
    );
    expect(issuer.server.requests).toHaveLength(requests);
  });

  it('is refused without a signature, and with alg none in any case', async () => {
    const token = await issuer.token();
    for (const alg of ['none', 'None', 'NONE']) {
      const header = encoded({ alg, typ: 'at+jwt' });
      const unsigned = withParts(token, ([, claims = '']) => [header, claims, '']);
      await expect(refusalOf(() => issuers.verify(unsigned))).resolves.toContain('alg is none of');
    }
    const stripped = withParts(token, ([header = '', claims = '']) => [header, claims, '']);
    await expect(refusalOf(() => issuers.verify(stripped))).resolves.toContain('does not hold');
  });

  it('is refused with HS256 and the public key as secret', async () => {
    for (const secret of [JSON.stringify(issuer.key.jwk), issuer.key.jwk.x ?? '']) {
      const input = `${encoded({ alg: 'HS256', typ: 'at+jwt', kid: 'first' })}.${encoded(issuer.claims())}`;
      const mac = createHmac('sha256', secret).update(input).digest('base64url');
      const forged = refusalOf(() => issuers.verify(`${input}.${mac}`));
      await expect(forged).resolves.toContain('alg is none of');
    }
  });

  it('is refused if it is signed by a key of its own header', async () => {
    const own = await newKey('first');
    const header = { jwk: own.jwk };
    const token = await issuer.token({ header, key: own });
    await expect(refusalOf(() => issuers.verify(token))).resolves.toContain('does not hold');
  });

  it('is refused if one claim was changed after it was signed', async () => {
    const token = await issuer.token();
    await issuers.verify(token);
    const changed = withParts(token, ([header = '', , signature = '']) => [
      header,
      encoded({ ...issuer.claims(), sub: 'admin' }),
      signature,
    ]);
    await expect(refusalOf(() => issuers.verify(changed))).resolves.toContain('does not hold');
  });

  it.each<readonly [string, string]>([
    ['a payload that is no JSON', `${encoded({ alg: 'ES256', typ: 'at+jwt' })}.bm8.x`],
    ['a payload that is a list', `${encoded({ alg: 'ES256', typ: 'at+jwt' })}.${encoded([])}.x`],
    ['a line break', 'a\nb'],
    ['a comma', 'a,b'],
    ['a space', 'a b'],
    ['nothing in it', ''],
    ['padding alone', '=='],
    ['a letter beyond ASCII', 'tökén'],
    ['more than 16 KB', 'a'.repeat(16 * 1024 + 1)],
    ['the prefix of our own handles', 'pxb_abc'],
    ['no dots, as no issuer introspects', 'opaque'],
    ['five parts, which is encrypted', 'a.b.c.d.e'],
  ])('is refused with %s', async (_, token) => {
    await expect(refusalOf(() => issuers.verify(token))).resolves.toContain('invalid_token');
  });

  it('is refused whatever its payload is nested in', async () => {
    const nested = Buffer.from('{"a":'.repeat(1500) + '1' + '}'.repeat(1500)).toString('base64url');
    const token = `${encoded({ alg: 'ES256', typ: 'at+jwt' })}.${nested}.x`;
    await expect(refusalOf(() => issuers.verify(token))).resolves.toContain('iss is none');
  });
});

describe('the keys of an issuer', () => {
  let issuer: TokenIssuer;
  beforeEach(async () => {
    issuer = await TokenIssuer.start();
  });
  afterEach(() => issuer[Symbol.asyncDispose]());

  it('are requested once for many tokens at once', async () => {
    const issuers = issuer.issuers();
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, index) => issuer.token({ claims: { jti: String(index) } })),
    );
    await Promise.all(tokens.map((token) => issuers.verify(token)));
    expect(issuer.server.requests.map(({ path }) => path)).toEqual([
      '/.well-known/openid-configuration',
      '/jwks',
    ]);
  });

  it('are found in the metadata of RFC 8414 too', async () => {
    issuer.metadata = respondWith(404);
    issuer.oauthMetadata = respondWith(200, issuer.published());
    await expect(issuer.issuers().verify(await issuer.token())).resolves.toBeDefined();
  });

  it('are never those of metadata with another issuer', async () => {
    issuer.metadata = respondWith(200, issuer.published({ issuer: `${issuer.issuer}/` }));
    const refusal = refusalOf(async () => issuer.issuers().verify(await issuer.token()));
    await expect(refusal).resolves.toContain('provider_unavailable');
    expect(issuer.requestsTo('/jwks')).toBe(0);
  });

  it('are fetched again for a new key, and withdrawn ones are refused', async () => {
    const issuers = issuer.issuers();
    const old = issuer.key;
    await issuers.verify(await issuer.token());
    issuer.key = await newKey('second');
    issuer.jwks = respondWith(200, { keys: [issuer.key.jwk] });
    issuer.clock.advance(60_000);
    await expect(issuers.verify(await issuer.token())).resolves.toBeDefined();
    const late = await issuer.token({ key: old });
    await expect(refusalOf(() => issuers.verify(late))).resolves.toContain('does not hold');
  });

  it('are fetched at most once a minute for a flood of invented key ids', async () => {
    const issuers = issuer.issuers();
    const own = await newKey('invented');
    const flood = async (round: string) => {
      const tokens = await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          issuer.token({ key: own, header: { kid: `${round}-${index}` } }),
        ),
      );
      const refusals = tokens.map((token) => refusalOf(() => issuers.verify(token)));
      return new Set(await Promise.all(refusals));
    };
    const held = 'invalid_token: access token: its signature does not hold';
    await expect(flood('a')).resolves.toEqual(new Set([held]));
    expect(issuer.requestsTo('/jwks')).toBe(1);
    issuer.clock.advance(60_000);
    await flood('b');
    await flood('c');
    expect(issuer.requestsTo('/jwks')).toBe(2);
    // The clients with known keys notice nothing.
    await expect(issuers.verify(await issuer.token())).resolves.toBeDefined();
  });

  it('stay in use while the issuer is down', async () => {
    const issuers = issuer.issuers();
    await issuers.verify(await issuer.token());
    issuer.jwks = respondWith(503);
    issuer.metadata = respondWith(503);
    issuer.clock.advance(2 * 60 * 60 * 1000);
    await expect(issuers.verify(await issuer.token())).resolves.toBeDefined();
  });

  it.each([
    ['is down', () => respondWith(503)],
    ['hangs', () => hang()],
  ])('are missing if the issuer %s before the first token', async (_, broken) => {
    issuer.metadata = broken();
    const token = await issuer.token();
    const issuers = issuer.issuers();
    await expect(refusalOf(() => issuers.verify(token))).resolves.toContain('provider_unavailable');
    issuer.metadata = respondWith(200, issuer.published());
    issuer.clock.advance(2000);
    await expect(issuers.verify(token)).resolves.toMatchObject({ sub: 'alice' });
  });

  it('are never fetched without TLS for an issuer with TLS', async () => {
    const metadata = issuer.published({ issuer: 'https://login.example.com' });
    issuer.metadata = respondWith(200, metadata);
    const internalUrl = issuer.issuer;
    const issuers = issuer.issuers({ issuer: 'https://login.example.com', internalUrl });
    const token = await issuer.token({ claims: { iss: 'https://login.example.com' } });
    await expect(refusalOf(() => issuers.verify(token))).resolves.toContain('provider_unavailable');
    expect(issuer.requestsTo('/jwks')).toBe(0);
  });
});

describe('an issuer that is also a provider', () => {
  let issuer: TokenIssuer;
  beforeEach(async () => {
    issuer = await TokenIssuer.start();
  });
  afterEach(() => issuer[Symbol.asyncDispose]());

  const providerAt = (changes: object = {}) => {
    const options = {
      id: 'corp',
      type: 'oidc',
      issuer: issuer.issuer,
      clientId: 'client',
      clientAuth: 'none',
      scopes: ['openid'],
      idTokenAlgorithms: ['ES256'],
      timeout: 3000,
      maxResponse: 100_000,
      ...changes,
    };
    return new Provider(options as unknown as ProviderOptions, issuer.clock.now);
  };

  it('shares its keys with it', async () => {
    const provider = providerAt();
    const issuers = issuer.issuers({}, [provider]);
    await expect(issuers.verify(await issuer.token())).resolves.toBeDefined();
    await provider.keys();
    expect(issuer.requestsTo('/.well-known/openid-configuration')).toBe(1);
    expect(issuer.requestsTo('/jwks')).toBe(1);
  });

  it('accepts the algorithms of the provider only', async () => {
    const issuers = issuer.issuers({}, [providerAt({ idTokenAlgorithms: ['PS256'] })]);
    const token = await issuer.token();
    await expect(refusalOf(() => issuers.verify(token))).resolves.toContain('alg is none of PS256');
  });

  it('is asked about opaque tokens over the connection of the provider', async () => {
    const login = 'https://login.example.com';
    const provider = providerAt({ issuer: login, internalUrl: issuer.issuer });
    const client = { clientId: 'bff', clientSecret: 'secret', allowMissingAudience: false };
    const introspection = { endpoint: `${login}/introspect`, ...client };
    issuer.introspection = respondWith(200, { active: true, aud: audience, sub: 'alice' });
    const issuers = issuer.issuers({ issuer: login, introspection }, [provider]);
    await expect(issuers.verify('opaque')).resolves.toMatchObject({ issuer: login, sub: 'alice' });
  });

  it('discovers its own keys if the provider has no OpenID Connect', async () => {
    const oauth2 = { type: 'oauth2', tokenEndpoint: `${issuer.issuer}/token` };
    const issuers = issuer.issuers({}, [providerAt(oauth2)]);
    await expect(issuers.verify(await issuer.token())).resolves.toBeDefined();
  });
});

describe('a verified token', () => {
  let issuer: TokenIssuer;
  beforeEach(async () => {
    issuer = await TokenIssuer.start();
  });
  afterEach(() => issuer[Symbol.asyncDispose]());

  it('is remembered for a minute, without a promise', async () => {
    const issuers = issuer.issuers();
    const token = await issuer.token();
    const verified = await issuers.verify(token);
    issuer.clock.advance(59_999);
    expect(issuers.verify(token)).toBe(verified);
    issuer.clock.advance(1);
    const again = issuers.verify(token);
    expect(again).toBeInstanceOf(Promise);
    await expect(again).resolves.toEqual(verified);
  });

  it('is verified once for many calls at once', async () => {
    const issuers = issuer.issuers();
    const token = await issuer.token();
    const calls = Array.from({ length: 20 }, async () => issuers.verify(token));
    expect(new Set(await Promise.all(calls)).size).toBe(1);
  });

  it('is never remembered past its end', async () => {
    const issuers = issuer.issuers();
    const token = await issuer.token({
      claims: { exp: Math.floor(issuer.clock.now() / 1000) + 10 },
    });
    await issuers.verify(token);
    issuer.clock.advance(10_000);
    await expect(refusalOf(() => issuers.verify(token))).resolves.toContain('it has expired');
  });

  it('is not remembered if it is refused, so a later key makes it valid', async () => {
    const issuers = issuer.issuers();
    const second = await newKey('second');
    const token = await issuer.token({ key: second });
    issuer.jwks = inTurn(
      respondWith(200, { keys: [issuer.key.jwk] }),
      respondWith(200, { keys: [issuer.key.jwk, second.jwk] }),
    );
    await expect(refusalOf(() => issuers.verify(token))).resolves.toContain('does not hold');
    issuer.clock.advance(60_000);
    await expect(issuers.verify(token)).resolves.toMatchObject({ sub: 'alice' });
  });
});
