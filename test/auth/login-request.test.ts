import { loginParameters, refuseHiddenLogin } from '../../src/auth/login/login-request.ts';
import { Query } from '../../src/http/query.ts';

const parametersOf = (query: string, further: string[] = []) =>
  loginParameters(new Query(new URLSearchParams(query)), further);

describe('the parameters of a login', () => {
  it('go on to the provider where any page may set them', () => {
    const query =
      'prompt=login&login_hint=a%40b&acr_values=mfa&max_age=0&ui_locales=de&returnUrl=/x';
    expect(parametersOf(query)).toEqual({
      prompt: 'login',
      login_hint: 'a@b',
      acr_values: 'mfa',
      max_age: '0',
      ui_locales: 'de',
    });
  });

  it.each([
    'redirect_uri',
    'scope',
    'state',
    'nonce',
    'client_id',
    'response_type',
    'response_mode',
    'code_challenge',
    'code_challenge_method',
    'request',
    'request_uri',
    'claims',
    'resource',
    'id_token_hint',
    'dpop_jkt',
    'authorization_details',
    'kc_idp_hint',
    '__proto__',
    'constructor',
  ])('are dropped where they are not allowed: %s', (name) => {
    expect(Object.keys(parametersOf(`${name}=evil`))).toEqual([]);
  });

  it('go on where the provider allows them', () => {
    expect(parametersOf('kc_idp_hint=github&other=x', ['kc_idp_hint'])).toEqual({
      kc_idp_hint: 'github',
    });
  });

  it('that are empty are as if they were not there', () => {
    expect(parametersOf('prompt=&max_age=')).toEqual({});
  });

  it.each([
    'prompt=login&prompt=none',
    'prompt=login&prompt=login',
    'login_hint=a&login_hint=',
    'prompt[]=none',
    'prompt[0]=none',
    'prompt[a]=none&prompt=login',
    'max_age=abc',
    'max_age=-1',
    'max_age=1.5',
    'max_age=1e3',
    'max_age=9999999999',
    'max_age=%201',
    'login_hint=a%0d%0ab',
    'login_hint=%00',
    'acr_values=%c2%85',
  ])('are refused as %s', (query) => {
    expect(() => parametersOf(query)).toThrow(
      expect.objectContaining({ code: 'invalid_request', status: 400 }),
    );
  });
});

describe('long parameters of a login', () => {
  const names = ['prompt', 'login_hint', 'acr_values', 'ui_locales', 'kc_idp_hint'];
  const queryOf = (lengths: readonly number[]) =>
    lengths.map((length, n) => `${names[n]}=${'x'.repeat(length)}`).join('&');

  it.each([[[1024]], [[1024, 1024, 1024, 1024]]])('go on with %j octets', (lengths) => {
    const values = Object.values(parametersOf(queryOf(lengths), names));
    expect(values.map(({ length }) => length)).toEqual(lengths);
  });

  it.each([[[1025]], [[1, 1025]], [[1024, 1024, 1024, 1024, 1]], [[1000, 1000, 1000, 1000, 97]]])(
    'are refused with %j octets',
    (lengths) => {
      expect(() => parametersOf(queryOf(lengths), names)).toThrow(
        expect.objectContaining({ code: 'invalid_request', status: 400 }),
      );
    },
  );

  it('are measured in octets', () => {
    expect(() => parametersOf(`login_hint=${'é'.repeat(513)}`)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });

  it('may be longer where they do not go on', () => {
    expect(parametersOf(`other=${'x'.repeat(5000)}`)).toEqual({});
  });
});

const refuse = (dest: string | undefined, prompt?: string) => () =>
  refuseHiddenLogin({ 'sec-fetch-dest': dest }, prompt === undefined ? {} : { prompt });

describe('a login by a request that shows no page', () => {
  it.each([
    'image',
    'script',
    'empty',
    'iframe',
    'frame',
    'object',
    'embed',
    'style',
    'fetch',
    '',
    'Document',
    'document, x',
  ])('is refused for Sec-Fetch-Dest: %s', (dest) => {
    expect(refuse(dest)).toThrow(expect.objectContaining({ code: 'csrf', status: 403 }));
  });

  it.each([
    [undefined, undefined],
    ['document', undefined],
    ['document', 'none'],
    ['iframe', 'none'],
  ])('is none with Sec-Fetch-Dest %s and prompt %s', (dest, prompt) => {
    expect(refuse(dest, prompt)).not.toThrow();
  });

  it.each([
    ['iframe', 'login'],
    ['iframe', 'none login'],
    ['image', 'none'],
    ['empty', 'none'],
  ])('is refused with Sec-Fetch-Dest %s and prompt %s', (dest, prompt) => {
    expect(refuse(dest, prompt)).toThrow(expect.objectContaining({ code: 'csrf' }));
  });
});
