import { readTokenSet, type TokenSet } from '../../src/oauth/tokens/token-set.ts';

const read = (response: Record<string, unknown>, seconds?: number, before?: TokenSet) =>
  readTokenSet(
    { access_token: 'token', token_type: 'bearer', ...response, expiresIn: () => seconds } as never,
    1000,
    before,
  );

describe('the tokens of a sign-in', () => {
  it('are kept as the provider sent them, with the time they end', () => {
    const response = { refresh_token: 'refresh', id_token: 'id', scope: 'openid', extra: { a: 1 } };
    expect(read(response, 60)).toEqual({
      accessToken: 'token',
      obtainedAt: 1000,
      expiresAt: 61_000,
      refreshToken: 'refresh',
      idToken: 'id',
      scope: 'openid',
    });
  });

  it('have no end where the provider names none', () => {
    expect(read({})).toEqual({ accessToken: 'token', obtainedAt: 1000 });
    expect(read({}, 0)).toEqual({
      accessToken: 'token',
      obtainedAt: 1000,
      expiresAt: 1000,
    });
  });

  it.each(['Bearer', 'bearer', 'BEARER'])('are of the type %s', (type) => {
    expect(read({ token_type: type }).accessToken).toBe('token');
  });

  it.each(['dpop', 'DPoP', 'mac', 'N_A', ''])(
    'are refused when they are of the type %j',
    (type) => {
      expect(() => read({ token_type: type })).toThrow(
        expect.objectContaining({ code: 'login_failed' }),
      );
    },
  );

  it.each(['a b', 'a\r\nX-Admin: 1', 'a\u0000', 'tökén', '', '\u2028', 'a\tb', 'a\n'])(
    'are refused when no header could carry them: %j',
    (token) => {
      expect(() => read({ access_token: token })).toThrow(
        expect.objectContaining({ code: 'login_failed', status: 502 }),
      );
    },
  );

  it.each([
    ['access_token', 32_768],
    ['refresh_token', 32_768],
    ['id_token', 131_072],
  ])('are refused when the %s has no end', (name, longest) => {
    expect(() => read({ [name]: 'a'.repeat(longest) })).not.toThrow();
    expect(() => read({ [name]: 'a'.repeat(longest + 1) })).toThrow(
      expect.objectContaining({ code: 'login_failed', status: 502 }),
    );
  });

  it.each(['a'.repeat(16_384), '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'])(
    'may be long or odd (%#)',
    (token) => {
      expect(read({ access_token: token }).accessToken).toBe(token);
    },
  );
});

const ofRefresh = (response: Record<string, unknown>, before?: TokenSet) =>
  read(response, undefined, before).refreshExpiresAt;

describe('the end of a refresh token', () => {
  it.each([
    [{ refresh_expires_in: 60 }, 61_000],
    [{ refresh_token_expires_in: 60 }, 61_000],
    [{ refresh_expires_in: '60' }, 61_000],
    [{ refresh_expires_in: 0.5 }, 1500],
    [{ refresh_expires_in: 0 }, undefined],
    [{ refresh_expires_in: 0, refresh_token_expires_in: 60 }, 61_000],
    [{ refresh_expires_in: -1 }, undefined],
    [{ refresh_expires_in: 1e300 }, undefined],
    [{ refresh_expires_in: 'soon' }, undefined],
    [{ refresh_expires_in: '' }, undefined],
    [{ refresh_expires_in: null }, undefined],
    [{ refresh_expires_in: [60] }, undefined],
    [{ refresh_expires_in: true }, undefined],
    [{}, undefined],
  ])('is what the provider says, if that is sane: %j', (response, expiry) => {
    expect(ofRefresh({ refresh_token: 'refresh', ...response })).toBe(expiry);
  });

  it('is nothing without a refresh token', () => {
    expect(ofRefresh({ refresh_expires_in: 60 })).toBeUndefined();
  });

  it.each([
    ['stays with its token', {}, 5000],
    ['stays with a token that came once more', { refresh_token: 'refresh' }, 5000],
    ['goes with its token', { refresh_token: 'another' }, undefined],
    ['is renewed with another token', { refresh_token: 'another', refresh_expires_in: 9 }, 10_000],
    ['is renewed with the same token', { refresh_expires_in: 9 }, 10_000],
    ['stays when the answer knows no end', { refresh_expires_in: 0 }, 5000],
  ])('%s', (_, response, expiry) => {
    const before = {
      accessToken: 'stale',
      obtainedAt: 0,
      refreshToken: 'refresh',
      refreshExpiresAt: 5000,
    };
    expect(ofRefresh(response, before)).toBe(expiry);
  });
});
