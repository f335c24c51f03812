import type { BffError } from '../../../src/errors.ts';
import type { BearerIssuers } from '../../../src/oauth/bearer/bearer-issuers.ts';
import { waitFor } from '../../support/time/wait-for.ts';
import {
  type Handler,
  hang,
  hangUp,
  inTurn,
  respondWith,
} from '../../support/upstream/responses.ts';
import { audience, refusalOf, TokenIssuer } from './token-issuer.ts';

describe('an opaque access token', () => {
  let issuer: TokenIssuer;
  let issuers: BearerIssuers;

  beforeEach(async () => {
    issuer = await TokenIssuer.start();
    issuers = issuer.introspecting();
  });
  afterEach(() => issuer[Symbol.asyncDispose]());

  const now = () => Math.floor(issuer.clock.now() / 1000);
  const active = (members: object = {}) => ({
    active: true,
    aud: audience,
    sub: 'alice',
    scope: 'orders:read',
    exp: now() + 300,
    ...members,
  });
  const requests = () => issuer.requestsTo('/introspect');

  it('is introspected with our credentials, and says who calls', async () => {
    issuer.introspection = respondWith(200, active({ acr: 'high', client_id: 'cli' }));
    await expect(issuers.verify('opaque+/=')).resolves.toEqual({
      issuer: issuer.issuer,
      sub: 'alice',
      claims: active({ acr: 'high', client_id: 'cli' }),
      scopes: ['orders:read'],
      expiresAt: (now() + 300) * 1000,
      acr: 'high',
    });
    const { method, headers, form } = issuer.server.last;
    expect(method).toBe('POST');
    expect(headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(Object.fromEntries(form)).toEqual({
      token: 'opaque+/=',
      token_type_hint: 'access_token',
    });
    // Form-encoded before Basic (RFC 6749 §2.3.1).
    const [, credentials = ''] = headers.authorization?.split(' ') ?? [];
    expect(Buffer.from(credentials, 'base64').toString()).toBe('b%3Aff:s+e%2Bc%2Fret');
  });

  it.each<readonly [string, object, object]>([
    ['a list of audiences', { aud: ['other', audience] }, {}],
    ['the same issuer', { iss: 'SAME' }, {}],
    ['a bound key', { cnf: { jkt: 'a'.repeat(43) } }, { keyThumbprint: 'a'.repeat(43) }],
    ['nothing about its user', { sub: undefined }, {}],
    ['null for what is missing', { sub: null, cnf: null, iss: null, nbf: null }, {}],
  ])('passes with %s', async (_, members, expected) => {
    const iss = 'iss' in members && members.iss === 'SAME' ? { iss: issuer.issuer } : {};
    issuer.introspection = respondWith(200, active({ ...members, ...iss }));
    await expect(issuers.verify('opaque')).resolves.toMatchObject({
      scopes: ['orders:read'],
      ...expected,
    });
  });

  it.each<readonly [string, object]>([
    ['is inactive', { active: false }],
    ['is active as a text', { active: 'true' }],
    ['is active as a number', { active: 1 }],
    ['does not say whether it is active', { active: undefined }],
    ['is for another audience', { aud: 'other' }],
    ['has no audience', { aud: undefined }],
    ['has null as audience', { aud: null }],
    ['is of another issuer', { iss: 'https://evil.test' }],
    ['has expired', { exp: 1 }],
    ['has an exp that is no time', { exp: 'tomorrow' }],
    ['is not valid yet', { nbf: 9_999_999_999 }],
    ['is bound to a certificate', { cnf: { 'x5t#S256': 'a'.repeat(43) } }],
    ['is bound to an unknown key', { token_type: 'DPoP' }],
    ['is a refresh token', { token_use: 'refresh_token' }],
    ['is called a refresh token', { token_type: 'refresh_token' }],
  ])('is refused if it %s', async (_, members) => {
    issuer.introspection = respondWith(200, active(members));
    await expect(refusalOf(() => issuers.verify('opaque'))).resolves.toContain('invalid_token');
  });

  it('may have no audience if the configuration allows that, but never another one', async () => {
    const lenient = issuer.introspecting({ allowMissingAudience: true });
    issuer.introspection = respondWith(200, active({ aud: undefined }));
    await expect(lenient.verify('opaque')).resolves.toMatchObject({ sub: 'alice' });
    issuer.introspection = respondWith(200, active({ aud: 'other' }));
    await expect(refusalOf(() => lenient.verify('other'))).resolves.toContain('aud does not');
  });

  it('is remembered for a minute, and a revoked one is refused after that', async () => {
    issuer.introspection = inTurn(
      respondWith(200, active()),
      respondWith(200, active()),
      respondWith(200, { active: false }),
    );
    const verified = await issuers.verify('opaque');
    issuer.clock.advance(59_999);
    expect(issuers.verify('opaque')).toBe(verified);
    issuer.clock.advance(1);
    await issuers.verify('opaque');
    expect(requests()).toBe(2);
    issuer.clock.advance(60_000);
    await expect(refusalOf(() => issuers.verify('opaque'))).resolves.toContain('not active');
    expect(requests()).toBe(3);
  });

  it('is never remembered past its end', async () => {
    issuer.introspection = inTurn(
      respondWith(200, active({ exp: now() + 5 })),
      respondWith(200, { active: false }),
    );
    await issuers.verify('opaque');
    issuer.clock.advance(5000);
    await expect(refusalOf(() => issuers.verify('opaque'))).resolves.toContain('not active');
  });

  it('ends with the memory of the response if that does not say when it ends', async () => {
    issuer.introspection = respondWith(200, active({ exp: undefined }));
    await expect(issuers.verify('opaque')).resolves.toMatchObject({
      expiresAt: issuer.clock.now() + 60_000,
    });
  });

  it('that is not valid is not introspected again for ten seconds', async () => {
    issuer.introspection = inTurn(respondWith(200, { active: false }), respondWith(200, active()));
    await refusalOf(() => issuers.verify('opaque'));
    issuer.clock.advance(9999);
    await expect(refusalOf(() => issuers.verify('opaque'))).resolves.toContain('not active');
    expect(requests()).toBe(1);
    issuer.clock.advance(1);
    await expect(issuers.verify('opaque')).resolves.toMatchObject({ sub: 'alice' });
  });

  it('is introspected once for many calls at once', async () => {
    issuer.introspection = respondWith(200, active());
    const calls = Array.from({ length: 100 }, async () => issuers.verify('opaque'));
    await expect(Promise.all(calls)).resolves.toHaveLength(100);
    expect(requests()).toBe(1);
  });

  it.each([
    ['a JWT of the issuer', () => issuer.token()],
    ['a JWT of another issuer', () => issuer.token({ claims: { iss: 'https://other.test' } })],
    ['an ID token', () => issuer.token({ header: { typ: 'JWT' } })],
    ['a JWT with padding', async () => `${await issuer.token()}=`],
    ['our own handle', async () => 'pxb_c2VjcmV0'],
    ['a token of more than 16 KB', async () => 'a'.repeat(16 * 1024 + 1)],
    ['a token with a line break', async () => 'opaque\r\nx: y'],
  ])('is asked about, but never %s', async (_, token) => {
    const sent = await token();
    await refusalOf(() => issuers.verify(sent));
    expect(requests()).toBe(0);
  });

  it('may consist of three parts that are no JWT, or be an encrypted JWT', async () => {
    issuer.introspection = respondWith(200, active());
    const [header = ''] = (await issuer.token()).split('.');
    for (const token of ['a.b.c', `${header}.a.b.c.d`])
      await expect(issuers.verify(token)).resolves.toMatchObject({ sub: 'alice' });
  });

  it.each<readonly [string, Handler]>([
    ['refuses our credentials', respondWith(401, { error: 'invalid_client' })],
    ['responds with 500', respondWith(500)],
    ['responds with a page', respondWith(200, '<html>')],
    ['responds with a list', respondWith(200, [active])],
    ['redirects', respondWith(302, undefined, { location: 'https://evil.test/' })],
    ['hangs up', hangUp()],
  ])('is neither valid nor invalid if the issuer %s', async (_, broken) => {
    issuer.introspection = inTurn(broken, respondWith(200, active()));
    const refusal = refusalOf(() => issuers.verify('opaque'));
    await expect(refusal).resolves.toContain('provider_unavailable');
    issuer.clock.advance(1000);
    await expect(issuers.verify('opaque')).resolves.toMatchObject({ sub: 'alice' });
  });

  it('is refused long before the timeout if the issuer hangs, and then at once', async () => {
    issuer.introspection = hang();
    await expect(refusalOf(() => issuers.verify('one'))).resolves.toContain('provider_unavailable');
    const asked = requests();
    await expect(refusalOf(() => issuers.verify('two'))).resolves.toContain('provider_unavailable');
    expect(requests()).toBe(asked);
  });

  it('is introspected again a second after an outage, however many calls came in between', async () => {
    issuer.introspection = hang();
    await refusalOf(() => issuers.verify('first'));
    issuer.introspection = respondWith(200, active());
    for (let elapsed = 0; elapsed < 1000; elapsed += 100) {
      const refusal = refusalOf(() => issuers.verify('opaque'));
      await expect(refusal).resolves.toContain('provider_unavailable');
      issuer.clock.advance(100);
    }
    await expect(issuers.verify('opaque')).resolves.toMatchObject({ sub: 'alice' });
  });

  describe('in a flood of invented ones', () => {
    /** Holds the responses until the test releases them. */
    function held() {
      const { promise, resolve } = Promise.withResolvers<void>();
      const handler: Handler = async (request, response, recorded) => {
        await promise;
        await recorded.ended;
        const isKnown = recorded.form.get('token') === 'known';
        respondWith(200, isKnown ? active() : { active: false })(request, response, recorded);
      };
      return { handler, release: resolve };
    }

    it('causes at most 40 requests at once, and the others wait a second', async () => {
      const flood = held();
      issuer.introspection = flood.handler;
      const errors: BffError[] = [];
      const calls = Array.from({ length: 500 }, async (_, index) => {
        const refused = (error: BffError) => void errors.push(error);
        await Promise.resolve(issuers.verify(`invented-${index}`)).catch(refused);
      });
      await waitFor(() => errors.length === 460 && requests() === 40);
      for (const { code, headers } of errors) {
        expect(code).toBe('rate_limited');
        expect(headers).toEqual({ 'Retry-After': '1' });
      }
      flood.release();
      await Promise.all(calls);
      expect(requests()).toBe(40);
      expect(errors.filter(({ code }) => code === 'invalid_token')).toHaveLength(40);
    });

    it('leaves room for a client whose token was valid before, and not for revoked ones', async () => {
      issuer.introspection = inTurn(
        respondWith(200, active()),
        respondWith(200, active()),
        respondWith(200, { active: false }),
      );
      await issuers.verify('known');
      await issuers.verify('revoked');
      issuer.clock.advance(60_000);
      await expect(refusalOf(() => issuers.verify('revoked'))).resolves.toContain('not active');
      issuer.clock.advance(10_000);
      const flood = held();
      issuer.introspection = flood.handler;
      const calls = Array.from({ length: 60 }, (_, index) =>
        refusalOf(() => issuers.verify(`invented-${index}`)),
      );
      const known = Promise.resolve(issuers.verify('known'));
      await expect(refusalOf(() => issuers.verify('revoked'))).resolves.toContain('rate_limited');
      await waitFor(() => requests() === 44);
      flood.release();
      await expect(known).resolves.toMatchObject({ sub: 'alice' });
      await Promise.all(calls);
    });
  });
});
