import { readTokenSet } from '../../src/oauth/tokens.ts';

const read = (response: Record<string, unknown>, seconds?: number) =>
  readTokenSet(
    { access_token: 'token', token_type: 'bearer', ...response, expiresIn: () => seconds } as never,
    1000,
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

  it.each(['a'.repeat(16_384), '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'])(
    'may be long or odd (%#)',
    (token) => {
      expect(read({ access_token: token }).accessToken).toBe(token);
    },
  );
});
