import { loginUrl, stepUpReader } from '../../src/proxy/authorize/step-up.ts';

const place = { basePath: '/bff', provider: 'corp', defaultProvider: 'corp' };
const requested = (challenge: string | string[]) =>
  stepUpReader(place, false)({ 'www-authenticate': challenge } as never)?.extensions['loginUrl'];

const code = 'insufficient_user_authentication';

describe('a challenge', () => {
  it.each([
    [`Bearer error="${code}", acr_values="a b", max_age="5"`, '?acr_values=a+b&max_age=5'],
    [`Bearer error=${code},max_age=0`, '?max_age=0'],
    [`bearer ERROR="${code}" , ACR_VALUES = "a"`, '?acr_values=a'],
    [`DPoP algs="ES256", Bearer realm="x", error="${code}", max_age="60"`, '?max_age=60'],
    [`Bearer error="${code}", acr_values="a\\"b"`, '?acr_values=a%22b'],
    [`Bearer error="${code}", acr_values="a&prompt=none"`, '?acr_values=a%26prompt%3Dnone'],
    [`Bearer error="${code}", max_age="soon"`, ''],
    [`Bearer error="${code}", max_age="9999999999"`, ''],
    [`Bearer error="${code}", acr_values="a\u0007"`, ''],
    [`Bearer error="${code}", acr_values=""`, ''],
    [`Bearer error="${code}"`, ''],
    [[`Basic realm="x"`, `Bearer error="${code}", max_age=1`], '?max_age=1'],
  ])('requires a stronger sign-in: %s', (challenge, query) => {
    expect(requested(challenge)).toBe(`/bff/login${query}`);
  });

  it.each([
    '',
    'Bearer',
    'Bearer error="invalid_token"',
    `Bearer error="invalid_token", error_description="not ${code}"`,
    `Bearer error_description="error=${code}", error="invalid_token"`,
    `Bearer realm="a \\", error=${code}", error="invalid_token"`,
    `Bearer error="${code}_not"`,
    `Bearer x-error="${code}"`,
    `Basic realm="${code}"`,
    `Bearer ${'x'.repeat(50)}="a, error=${code}"`,
    `Bearer ${'x'.repeat(50)}error=${code}`,
  ])('requires something else: %s', (challenge) => {
    expect(requested(challenge)).toBeUndefined();
  });

  it('of any length is read in no time', () => {
    const long = `Bearer ${'a'.repeat(60_000)} ${code} ${'a="'.repeat(20_000)}`;
    const begun = performance.now();
    expect(requested(long)).toBeUndefined();
    expect(performance.now() - begun).toBeLessThan(500);
  });
});

describe('the address', () => {
  it.each([
    ['corp', false, {}, '/bff/login'],
    ['github', false, {}, '/bff/login?provider=github'],
    ['github', true, {}, '/bff/connect/github'],
    ['github', false, { acr_values: 'mfa' }, '/bff/login?provider=github&acr_values=mfa'],
    ['github', true, { max_age: '5' }, '/bff/connect/github?max_age=5'],
  ])('for %s, connected %s, %j', (provider, isConnected, wishes, expected) => {
    const wanted = { acr_values: undefined, max_age: undefined, ...wishes };
    expect(loginUrl({ ...place, provider }, isConnected, wanted)).toBe(expected);
  });
});
