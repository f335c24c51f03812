import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { CompactSign } from 'jose';
import type { ProviderOptions } from '../../src/config/options.ts';
import { reasonOf } from '../../src/errors.ts';
import { partiesOf, verifyLogoutToken } from '../../src/oauth/logout/logout-token.ts';
import { Provider } from '../../src/oauth/provider/provider.ts';
import { respondWith, hang, hangUp, inTurn, type Handler } from '../support/upstream/responses.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';

const event = 'http://schemas.openid.net/event/backchannel-logout';
const nowSeconds = 1_800_000_000;
const minute = 60_000;

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
const unknownKey = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = ({ publicKey }: { publicKey: KeyObject }, kid: string) => ({
  ...publicKey.export({ format: 'jwk' }),
  kid,
  use: 'sig',
});
const published = [jwk(rsa, 'rsa'), jwk(ec, 'ec'), jwk(ed, 'ed'), jwk(weak, 'weak')];

const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

type Claims = Record<string, unknown>;
interface Forgery {
  /** Laid over a valid token's; `undefined` takes a member away. */
  readonly claims?: Claims;
  readonly header?: Claims;
  readonly key?: KeyObject;
  /** In the place of the claims. */
  readonly payload?: string;
}

describe('a logout token', () => {
  let server: Upstream;
  let jwks: Handler;
  let metadata: object;
  let now: number;
  let provider: Provider;

  beforeAll(async () => {
    server = await startUpstream();
  });
  afterAll(() => server.close());
  beforeEach(() => {
    server.requests.length = 0;
    now = nowSeconds * 1000;
    jwks = respondWith(200, { keys: published });
    metadata = {};
    server.handler = (...call) => {
      const [request] = call;
      if (request.url === '/jwks') return jwks(...call);
      const found = { issuer: server.url, jwks_uri: `${server.url}/jwks`, ...metadata };
      return respondWith(200, found)(...call);
    };
    provider = configured();
  });

  const configured = (changes: object = {}) =>
    new Provider(
      {
        id: 'corp',
        issuer: server.url,
        clientId: 'client',
        clientAuth: 'none',
        idTokenAlgorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
        logoutToken: { allowMissingExp: false, allowUntyped: false },
        timeout: 5000,
        maxResponse: 100_000,
        ...changes,
      } as unknown as ProviderOptions,
      () => now,
    );
  const tolerant = (logoutToken: object) =>
    configured({ logoutToken: { allowMissingExp: false, allowUntyped: false, ...logoutToken } });

  const validClaims = (): Claims => ({
    iss: server.url,
    aud: 'client',
    iat: nowSeconds,
    exp: nowSeconds + 120,
    jti: 'once',
    events: { [event]: {} },
    sub: 'alice',
    sid: 'session',
  });

  function make({ claims, header, key = rsa.privateKey, payload }: Forgery = {}): Promise<string> {
    const text = payload ?? JSON.stringify({ ...validClaims(), ...claims });
    const whole = { alg: 'RS256', kid: 'rsa', typ: 'logout+jwt', ...header };
    return new CompactSign(Buffer.from(text)).setProtectedHeader(whole).sign(key);
  }

  const verify = (encoded: string, at = provider) => verifyLogoutToken(at, encoded, now);

  async function whyRefused(token: string | Promise<string>, at = provider): Promise<string> {
    const error: unknown = await verify(await token, at).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'invalid_logout_token', status: 400 });
    return ((error as Error).cause as Error).message;
  }

  const jwksRequests = () => server.requests.filter(({ url }) => url === '/jwks').length;

  describe('is accepted', () => {
    it.each<readonly [string, Claims, object]>([
      ['with sub and sid', {}, { sub: 'alice', sid: 'session' }],
      ['with sub only', { sid: undefined }, { sub: 'alice' }],
      ['with sid only', { sub: undefined }, { sid: 'session' }],
      ['for a list of one', { aud: ['client'] }, { sub: 'alice', sid: 'session' }],
      ['for several', { aud: ['other', 'client'] }, { sub: 'alice', sid: 'session' }],
      [
        'with an event that says more',
        { events: { [event]: { a: 1 }, 'urn:other': [] } },
        { sub: 'alice', sid: 'session' },
      ],
      [
        'of a clock a little ahead',
        { iat: nowSeconds + 60, nbf: nowSeconds + 60 },
        { sub: 'alice', sid: 'session' },
      ],
      ['that is old but has not expired', { iat: 0 }, { sub: 'alice', sid: 'session' }],
    ])('%s', async (_, claims, names) => {
      await expect(verify(await make({ claims }))).resolves.toEqual({
        issuer: server.url,
        jti: 'once',
        expiresAt: (nowSeconds + 120) * 1000,
        ...names,
      });
    });

    it.each(['logout+jwt', 'LOGOUT+JWT', 'application/logout+jwt', 'Application/Logout+JWT'])(
      'with the typ %s',
      async (typ) => {
        await expect(verify(await make({ header: { typ } }))).resolves.toBeDefined();
      },
    );

    it.each([
      ['RS256', 'rsa', rsa],
      ['PS256', 'rsa', rsa],
      ['ES256', 'ec', ec],
      ['EdDSA', 'ed', ed],
    ])('signed with %s', async (alg, kid, { privateKey: key }) => {
      await expect(verify(await make({ header: { alg, kid }, key }))).resolves.toBeDefined();
    });

    it('without a kid, where one key fits', async () => {
      const header = { alg: 'ES256', kid: undefined };
      await expect(verify(await make({ header, key: ec.privateKey }))).resolves.toBeDefined();
    });

    it.each([undefined, 'JWT', 'jwt', 'logout+jwt'])(
      'with the typ %s under allowUntyped',
      async (typ) => {
        const token = await make({ header: { typ } });
        await expect(verify(token, tolerant({ allowUntyped: true }))).resolves.toBeDefined();
      },
    );

    it('without exp for two minutes under allowMissingExp', async () => {
      const at = tolerant({ allowMissingExp: true });
      const claims = { exp: undefined, iat: nowSeconds - 119 };
      await expect(verify(await make({ claims }), at)).resolves.toMatchObject({
        expiresAt: (nowSeconds + 1) * 1000,
      });
    });
  });

  describe('is refused before anything is fetched', () => {
    it.each<readonly [string, Forgery, string]>([
      // OIDC Back-Channel Logout §2.6 item 4
      ['of another issuer', { claims: { iss: 'https://evil.example' } }, 'iss is not'],
      ['without an issuer', { claims: { iss: undefined } }, 'iss is not'],
      ['with a list of issuers', { claims: { iss: ['x'] } }, 'iss is not'],
      ['for another client', { claims: { aud: 'another' } }, 'aud does not contain client'],
      ['for a client whose name begins like ours', { claims: { aud: 'client2' } }, 'aud does not'],
      ['for others', { claims: { aud: ['a', 'b'] } }, 'aud does not contain client'],
      ['for nobody', { claims: { aud: [] } }, 'aud does not contain client'],
      ['without an audience', { claims: { aud: undefined } }, 'aud is neither'],
      ['with an audience that is an object', { claims: { aud: { client: 1 } } }, 'aud is neither'],
      [
        'with an audience that is half a text',
        { claims: { aud: ['client', 1] } },
        'aud is neither',
      ],
      ['without iat', { claims: { iat: undefined } }, 'iat is missing'],
      ['whose iat is text', { claims: { iat: '1' } }, 'iat is missing or no time'],
      ['whose iat is negative', { claims: { iat: -1 } }, 'iat is missing or no time'],
      ['from the future', { claims: { iat: nowSeconds + 61 } }, 'iat is in the future'],
      ['not valid yet', { claims: { nbf: nowSeconds + 61 } }, 'nbf is in the future'],
      ['whose nbf is text', { claims: { nbf: 'x' } }, 'nbf is in the future'],
      ['that never ends', { claims: { exp: undefined } }, 'exp is missing; logoutToken.allowMis'],
      ['whose exp is null', { claims: { exp: null } }, 'exp is no time'],
      ['whose exp is text', { claims: { exp: '9999999999' } }, 'exp is no time'],
      ['whose exp is beyond all time', { claims: { exp: 1e300 } }, 'exp is no time'],
      ['that has expired', { claims: { exp: nowSeconds } }, 'it has expired'],
      // item 5
      ['about nobody', { claims: { sub: undefined, sid: undefined } }, 'neither sub nor sid'],
      ['about an empty sub', { claims: { sub: '' } }, 'sub is no text'],
      ['about a number', { claims: { sub: 42 } }, 'sub is no text'],
      ['about a sub that is null', { claims: { sub: null } }, 'sub is no text'],
      ['about an empty sid', { claims: { sid: '' } }, 'sid is no text'],
      ['about a list of sids', { claims: { sid: ['session'] } }, 'sid is no text'],
      // item 6
      ['without events', { claims: { events: undefined } }, 'events is no object'],
      ['whose events are null', { claims: { events: null } }, 'events is no object'],
      ['whose events are text', { claims: { events: event } }, 'events is no object'],
      ['whose events are a list', { claims: { events: [event] } }, 'events is no object'],
      ['of no event', { claims: { events: {} } }, 'events has no member'],
      ['of another event', { claims: { events: { 'urn:x': {} } } }, 'events has no member'],
      ['whose event is null', { claims: { events: { [event]: null } } }, 'event is no object'],
      ['whose event is true', { claims: { events: { [event]: true } } }, 'event is no object'],
      ['whose event is a list', { claims: { events: { [event]: [] } } }, 'event is no object'],
      // item 7
      ['with a nonce', { claims: { nonce: 'n' } }, 'there is a nonce'],
      ['with a nonce that is null', { claims: { nonce: null } }, 'there is a nonce'],
      // §2.4
      ['without jti', { claims: { jti: undefined } }, 'jti is missing'],
      ['whose jti is empty', { claims: { jti: '' } }, 'jti is missing'],
      ['whose jti is a number', { claims: { jti: 1 } }, 'jti is missing'],
      ['of the type JWT', { header: { typ: 'JWT' } }, 'logoutToken.allowUntyped tolerates'],
      ['without a type', { header: { typ: undefined } }, 'logoutToken.allowUntyped tolerates'],
      ['of another type', { header: { typ: 'at+jwt' } }, 'typ is not logout+jwt'],
      ['whose type is a number', { header: { typ: 1 } }, 'typ is not logout+jwt'],
      // items 2 and 3
      ['with an algorithm we do not allow', { header: { alg: 'RS512' } }, 'alg is none of RS256'],
      ['whose payload is a list', { payload: '[]' }, 'the payload is no JSON object'],
      ['whose payload is null', { payload: 'null' }, 'the payload is no JSON object'],
      ['whose payload is no JSON', { payload: '{' }, 'the payload is no JSON object'],
      ['that is too long', { claims: { sub: 'x'.repeat(16_384) } }, 'is longer than 16384'],
    ])('%s', async (_, forgery, reason) => {
      await expect(whyRefused(make(forgery))).resolves.toContain(reason);
      expect(server.requests).toEqual([]);
    });

    it.each<readonly [string, () => string, string]>([
      ['nobody signed', () => `${b64({ alg: 'none', typ: 'logout+jwt' })}.${b64({})}.`, 'alg is'],
      [
        'nobody signed, in odd letters',
        () => `${b64({ alg: 'nOnE', typ: 'logout+jwt' })}.${b64(validClaims())}.`,
        'alg is none of',
      ],
      ['is without an algorithm', () => `${b64({})}.${b64(validClaims())}.x`, 'alg is none of'],
      [
        'demands an extension',
        () => `${b64({ alg: 'RS256', crit: ['b64'], b64: true })}.${b64(validClaims())}.x`,
        'crit demands',
      ],
      [
        'is signed with the public key as a secret',
        () => {
          const text = `${b64({ alg: 'HS256', typ: 'logout+jwt' })}.${b64(validClaims())}`;
          const secret = rsa.publicKey.export({ format: 'pem', type: 'spki' });
          return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
        },
        'alg is none of',
      ],
      ['is nothing', () => '', 'is no signed JWT'],
      ['is garbage', () => 'a b c', 'is no signed JWT'],
      ['has two parts', () => 'YQ.YQ', 'is no signed JWT'],
      ['has five parts', () => 'YQ.YQ.YQ.YQ.YQ', 'is no signed JWT'],
      ['has other letters than base64url', () => `${b64({})}=.${b64({})}.x`, 'is no signed JWT'],
      ['ends with a line break', () => `${b64({})}.${b64({})}.x\n`, 'is no signed JWT'],
      ['has a header that is no JSON', () => `YQ.${b64({})}.x`, 'the header is no JSON object'],
      ['has a header that is no text', () => `_w.${b64({})}.x`, 'the header is no JSON object'],
    ])('that %s', async (_, token, reason) => {
      await expect(whyRefused(token())).resolves.toContain(reason);
      expect(server.requests).toEqual([]);
    });

    it.each(['at+jwt', 'logout', '', null])(
      'with the typ %j even under allowUntyped',
      async (typ) => {
        const at = tolerant({ allowUntyped: true });
        await expect(whyRefused(make({ header: { typ } }), at)).resolves.toBe(
          'logout token: typ is not logout+jwt',
        );
      },
    );

    it.each([
      ['made more than two minutes ago', { iat: nowSeconds - 120 }, 'too long ago'],
      ['that has expired', { exp: nowSeconds - 1 }, 'it has expired'],
      ['with an exp that is no time', { exp: null }, 'exp is no time'],
    ])('%s even under allowMissingExp', async (_, claims, reason) => {
      const at = tolerant({ allowMissingExp: true });
      const token = make({ claims: { exp: undefined, ...claims } });
      await expect(whyRefused(token, at)).resolves.toContain(reason);
    });
  });

  describe('is refused for its signature', () => {
    it.each<readonly [string, Forgery, string]>([
      ['of a stranger', { key: unknownKey.privateKey }, 'signature does not hold'],
      [
        'of a stranger who brings a key',
        { key: unknownKey.privateKey, header: { jwk: jwk(unknownKey, 'rsa') } },
        'signature does not hold',
      ],
      ['by another algorithm of ours', { header: { alg: 'PS256', kid: 'ec' } }, 'no key with its'],
      ['with a key nobody knows', { header: { kid: 'new' } }, 'publishes no key with its kid'],
      ['whose kid is no text', { header: { kid: 1 } }, 'publishes no key with its kid'],
    ])('%s', async (_, forgery, reason) => {
      await expect(whyRefused(make(forgery))).resolves.toContain(reason);
      expect(jwksRequests()).toBe(1);
    });

    it('that says where its keys are, without a look there', async () => {
      const elsewhere = await startUpstream(respondWith(200, { keys: [jwk(unknownKey, 'rsa')] }));
      const header = { jku: elsewhere.url, x5u: elsewhere.url, kid: 'rsa' };
      await whyRefused(make({ key: unknownKey.privateKey, header }));
      expect(elsewhere.requests).toEqual([]);
      await elsewhere.close();
    });

    it('when it is gone, or when the claims were changed', async () => {
      const [header, , signature] = (await make()).split('.');
      const claims = b64({ ...validClaims(), sub: 'bob' });
      await expect(whyRefused(`${header}.${claims}.${signature}`)).resolves.toContain('signature');
      await expect(whyRefused(`${header}.${claims}.`)).resolves.toContain('signature');
    });

    it('when its key is too weak', async () => {
      const text = `${b64({ alg: 'RS256', kid: 'weak', typ: 'logout+jwt' })}.${b64(validClaims())}`;
      const { sign } = await import('node:crypto');
      const signature = sign('sha256', Buffer.from(text), weak.privateKey).toString('base64url');
      await expect(whyRefused(`${text}.${signature}`)).resolves.toContain('signature');
    });

    it('without a kid, where several keys fit', async () => {
      await expect(whyRefused(make({ header: { kid: undefined } }))).resolves.toContain('several');
    });

    it('when the provider announces that it does not sign so', async () => {
      metadata = { id_token_signing_alg_values_supported: ['ES256'] };
      await expect(whyRefused(make())).resolves.toContain('alg is none that the provider');
    });
  });

  describe('needs keys, which', () => {
    it('are fetched once for many tokens', async () => {
      const tokens = await Promise.all(Array.from({ length: 20 }, () => make()));
      await Promise.all(tokens.map((token) => verify(token)));
      await verify(await make());
      expect(server.requests.map(({ url }) => url).toSorted()).toEqual([
        '/.well-known/openid-configuration',
        '/jwks',
      ]);
    });

    it('are requested once a minute, however many tokens name others', async () => {
      const flood = () =>
        Promise.all(
          Array.from({ length: 500 }, (__, n) => whyRefused(make({ header: { kid: `k${n}` } }))),
        );
      await flood();
      expect(jwksRequests()).toBe(1);
      now += minute - 1;
      provider.renew();
      await whyRefused(make({ header: { kid: 'x' }, claims: { exp: nowSeconds + 1000 } }));
      expect(jwksRequests()).toBe(1);
      now += 1;
      await whyRefused(make({ header: { kid: 'x' }, claims: { exp: nowSeconds + 1000 } }));
      await whyRefused(make({ header: { kid: 'y' }, claims: { exp: nowSeconds + 1000 } }));
      expect(jwksRequests()).toBe(2);
    });

    it('are requested at once when a token names a new one', async () => {
      await verify(await make());
      jwks = respondWith(200, { keys: [jwk(unknownKey, 'new')] });
      const signedAnew = { key: unknownKey.privateKey, claims: { exp: nowSeconds + 1000 } };
      now += minute;
      await verify(await make({ ...signedAnew, header: { kid: 'new' } }));
      expect(jwksRequests()).toBe(2);
    });

    it('are believed for five minutes', async () => {
      const claims = { exp: nowSeconds + 10_000 };
      await verify(await make({ claims }));
      jwks = respondWith(200, { keys: [] });
      now += 5 * minute - 1;
      await verify(await make({ claims }));
      now += 1;
      await expect(whyRefused(make({ claims }))).resolves.toContain('no key');
    });

    it('serve on for a day while others cannot be had', async () => {
      const claims = { exp: nowSeconds + 1e6 };
      await verify(await make({ claims }));
      jwks = respondWith(503);
      for (now += 5 * minute; now < nowSeconds * 1000 + 24 * 60 * minute; now += 60 * minute) {
        await verify(await make({ claims }));
      }
      now = nowSeconds * 1000 + 24 * 60 * minute;
      await expect(verify(await make({ claims }))).rejects.toMatchObject({ status: 503 });
    });

    it.each<readonly [string, Handler]>([
      ['are not there', respondWith(404, {})],
      ['come with a 503', respondWith(503)],
      ['come not at all', hangUp()],
      ['are no keys', respondWith(200, { keys: 'none' })],
      ['are HTML', respondWith(200, '<html>')],
    ])('%s: that is no fault of the token', async (_, broken) => {
      jwks = inTurn(broken, respondWith(200, { keys: published }));
      const refused = verify(await make());
      await expect(refused).rejects.toMatchObject({ code: 'provider_unavailable', status: 503 });
      // A provider in trouble is not asked for every token.
      await expect(verify(await make())).rejects.toMatchObject({ status: 503 });
      expect(jwksRequests()).toBe(1);
      now += 1000;
      await expect(verify(await make())).resolves.toBeDefined();
    });

    it('hang together with the provider: the sender gets a response in time', async () => {
      server.handler = hang();
      const began = performance.now();
      const refused = verify(await make());
      await expect(refused).rejects.toMatchObject({ code: 'provider_unavailable' });
      expect(performance.now() - began).toBeLessThan(2000);
    });
  });

  it.each([
    ['a', ['a']],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
    [undefined, [undefined]],
  ])('names its issuer and its audience (%j) before it is believed', async (aud, audience) => {
    const forged = { claims: { iss: 'https://a', aud }, key: unknownKey.privateKey };
    expect(partiesOf(await make(forged))).toEqual({ issuer: 'https://a', audience });
  });

  it.each([
    ['garbage', () => 'x'],
    ['a token without an issuer', () => make({ claims: { iss: undefined } })],
    ['a token with a number for an issuer', () => make({ claims: { iss: 1 } })],
    ['a token that is too long', () => make({ claims: { sub: 'x'.repeat(16_384) } })],
  ])('has no issuer when it is %s', async (_, token) => {
    const encoded = await token();
    expect(() => partiesOf(encoded)).toThrow(
      expect.objectContaining({ code: 'invalid_logout_token' }),
    );
  });

  it('is quoted in no reason', async () => {
    const canary = 'canary';
    const token = await make({ payload: `{"iss":"${canary}` });
    const error = await verify(token).catch((thrown: unknown) => thrown);
    expect(reasonOf(error)).not.toContain(canary);
  });
});
