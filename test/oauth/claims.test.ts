import { allowInsecureRequests, Configuration } from 'openid-client';
import { readClaims } from '../../src/oauth/login/claims.ts';
import { respondWith } from '../support/upstream/responses.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';

const token = { iss: 'i', aud: 'client', iat: 1, exp: 2, sub: 'alice' };

describe('the claims of a user', () => {
  let server: Upstream;
  beforeAll(async () => {
    server = await startUpstream();
  });
  afterAll(() => server.close());

  async function read(
    idToken: object,
    scopes: string[],
    userInfo?: object | false,
    wanted: readonly string[] = [],
  ) {
    server.requests.length = 0;
    server.handler = respondWith(200, userInfo || {});
    const endpoint = userInfo === false ? {} : { userinfo_endpoint: `${server.url}/me` };
    const configuration = new Configuration({ issuer: 'http://i', ...endpoint }, 'client');
    allowInsecureRequests(configuration);
    const claims = { ...token, ...idToken } as never;
    const found = await readClaims(configuration, claims, 'access-token', scopes, {}, wanted);
    return found.claims;
  }

  it('are those of the ID token, without what is about the token', async () => {
    const protocol = {
      nonce: 'n',
      nbf: 1,
      jti: 'j',
      azp: 'client',
      at_hash: 'h',
      c_hash: 'h',
      s_hash: 'h',
      sid: 's',
    };
    await expect(read({ ...protocol, name: 'Alice', groups: ['a'] }, ['openid'])).resolves.toEqual({
      sub: 'alice',
      name: 'Alice',
      groups: ['a'],
    });
    expect(server.requests).toHaveLength(0);
  });

  it.each([
    ['profile', { nickname: 'Al' }],
    ['email', { email: 'a@b' }],
    ['address', { address: {} }],
    ['phone', { phone_number: '1' }],
    ['offline_access', {}],
    ['api', {}],
  ])('need no UserInfo when the ID token has what %s promises', async (scope, claims) => {
    await read(claims, ['openid', scope]);
    expect(server.requests).toHaveLength(0);
  });

  it.each(['profile', 'email', 'address', 'phone'])(
    'are requested at UserInfo when the ID token leaves out %s',
    async (scope) => {
      await expect(read({}, ['openid', scope], { sub: 'alice', extra: 1 })).resolves.toEqual({
        sub: 'alice',
        extra: 1,
      });
      expect(server.last.headers.authorization).toBe('Bearer access-token');
    },
  );

  it('are those of the ID token where both speak, and UserInfo changes nothing about the token', async () => {
    const userInfo = {
      sub: 'alice',
      role: 'admin',
      email: 'a@b',
      iss: 'evil',
      exp: 9e9,
      sid: 'evil',
    };
    await expect(read({ role: 'user' }, ['email'], userInfo)).resolves.toEqual({
      sub: 'alice',
      role: 'user',
      email: 'a@b',
    });
  });

  it.each<[object, string[]]>([
    [{}, ['roles']],
    [{ roles: ['a'] }, ['roles', 'groups']],
    [{ realm_access: { other: 1 } }, ['realm_access.roles']],
    [{ realm_access: ['roles'] }, ['realm_access.roles']],
  ])('are asked for at UserInfo when %j lacks one of the wanted %j', async (idToken, wanted) => {
    await read(idToken, ['openid'], { sub: 'alice' }, wanted);
    expect(server.requests).toHaveLength(1);
  });

  it.each<[object, string[]]>([
    [{ roles: [] }, ['roles']],
    [{ flag: false, zero: 0 }, ['flag', 'zero']],
    [{ realm_access: { roles: ['a'] } }, ['realm_access.roles']],
    [{ 'https://example.com/roles': 'a' }, ['https://example.com/roles']],
    [{}, []],
  ])('need no UserInfo when %j has all of the wanted %j', async (idToken, wanted) => {
    await read(idToken, ['openid'], { sub: 'alice' }, wanted);
    expect(server.requests).toHaveLength(0);
  });

  it('are found inside an object that both have, where the ID token still comes first', async () => {
    const idToken = { realm_access: { level: 1, name: 'x' } };
    const userInfo = { sub: 'alice', realm_access: { level: 2, roles: ['admin'], more: 3 } };
    const claims = await read(idToken, [], userInfo, ['realm_access.roles', 'realm_access.level']);
    expect(claims).toEqual({
      sub: 'alice',
      realm_access: { level: 1, name: 'x', roles: ['admin'] },
    });
  });

  it.each<[object, object, unknown]>([
    [{ email: 'a@x' }, { email: 'a@x', email_verified: true }, true],
    [{ email: 'a@x' }, { email: 'b@x', email_verified: true }, undefined],
    [{ email: 'a@x' }, { email_verified: true }, true],
    [{ email: 'a@x', email_verified: false }, { email: 'a@x', email_verified: true }, false],
    [{ email_verified: true }, { email: 'b@x', email_verified: false }, false],
    [{ email_verified: true }, { email: 'b@x' }, true],
    [{ email_verified: false }, { email: 'b@x', email_verified: true }, false],
  ])('with %j and %j of UserInfo: email_verified is %j', async (idToken, userInfo, verified) => {
    const claims = await read(idToken, [], { sub: 'alice', ...userInfo }, ['missing']);
    expect(claims['email_verified']).toBe(verified);
    expect(Object.hasOwn(claims, 'email_verified')).toBe(verified !== undefined);
  });

  it('are what the ID token has where the provider has no UserInfo', async () => {
    await expect(read({}, ['openid', 'profile'], false)).resolves.toEqual({ sub: 'alice' });
  });

  it.each([{ sub: 'bob' }, { name: 'nobody' }, { sub: ['alice'] }, { sub: 'ALICE' }])(
    'are refused when UserInfo is about %j',
    async (userInfo) => {
      await expect(read({}, ['profile'], userInfo)).rejects.toBeInstanceOf(Error);
    },
  );

  it.each([
    '',
    ' '.repeat(256),
    'x'.repeat(256),
    'a\r\nb',
    'a\u0000',
    'ünïcode',
    'a\u007f',
    '\u202e',
  ])('are refused for a subject like %j', async (sub) => {
    await expect(read({ sub }, ['openid'])).rejects.toMatchObject({ code: 'login_failed' });
  });

  it('are refused when they are more than a session should hold', async () => {
    const groups = Array.from({ length: 10_000 }, (_, n) => `group ${n}`);
    await expect(read({ groups }, ['openid'])).rejects.toMatchObject({ code: 'login_failed' });
  });

  it('are only data, with any name', async () => {
    const odd = JSON.parse(
      '{"__proto__":{"isAdmin":true},"constructor":"x","hasOwnProperty":1}',
    ) as object;
    const claims = await read(odd, ['openid']);
    expect(JSON.parse(JSON.stringify(claims))).toMatchObject({ constructor: 'x' });
    expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined();
  });
});
