import { ClientError } from 'openid-client';
import { BffError } from '../../src/errors.ts';
import { isUnknownKey, Outage, outageBehind, toBffError } from '../../src/oauth/errors.ts';

const coded = (code: string, cause?: unknown) =>
  Object.assign(new ClientError('x', { cause }), { code });

describe('what openid-client throws', () => {
  it.each([
    ['our own error', new BffError('provider_unavailable'), 'provider_unavailable'],
    [
      'our own error behind others',
      new Error('a', { cause: new Error('b', { cause: new BffError('provider_unavailable') }) }),
      'provider_unavailable',
    ],
    ['a timeout', coded('OAUTH_TIMEOUT'), 'provider_unavailable'],
    [
      'a timeout behind another error',
      new Error('a', { cause: coded('OAUTH_TIMEOUT') }),
      'provider_unavailable',
    ],
    ['a claim that is wrong', coded('OAUTH_JWT_CLAIM_COMPARISON_FAILED'), 'login_failed'],
    ['an error of the program', new TypeError('x'), 'login_failed'],
    ['nothing to recognise', 'text', 'login_failed'],
    ['nothing at all', undefined, 'login_failed'],
  ])('%s is %s', (_, error, code) => {
    expect(toBffError(error).code).toBe(code);
  });

  it('is recognised as a key we do not know', () => {
    expect(isUnknownKey(coded('OAUTH_KEY_SELECTION_FAILED'))).toBe(true);
    expect(isUnknownKey(coded('ERR_JWKS_NO_MATCHING_KEY'))).toBe(true);
    expect(isUnknownKey(coded('OAUTH_TIMEOUT'))).toBe(false);
    expect(isUnknownKey(undefined)).toBe(false);
  });

  it('is recognised as an outage, however deep', () => {
    const outage = new Outage('no answer');
    const wrapped = new Error('a', { cause: coded('x', outage.toBffError()) });
    expect(outageBehind(wrapped)).toBe(outage);
    expect(toBffError(wrapped)).toMatchObject({ code: 'provider_unavailable', cause: outage });
    expect(outageBehind(new Error('a'))).toBeUndefined();
    expect(outageBehind('text')).toBeUndefined();
  });
});
