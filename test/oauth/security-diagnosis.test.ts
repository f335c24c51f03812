import type { ProviderOptions } from '../../src/config/options.ts';
import { disagreements } from '../../src/oauth/provider/security-diagnosis.ts';

const usual = {
  par: 'auto',
  jar: false,
  jarm: false,
  dpop: false,
  responseMode: 'query',
  idTokenAlgorithms: ['RS256'],
};
const par = { pushed_authorization_request_endpoint: 'https://x/par' };
const insists = { require_pushed_authorization_requests: true };

describe('what a provider announces', () => {
  it.each<[object, object]>([
    [{}, {}],
    [{ ...par, ...insists }, {}],
    [par, { par: 'required' }],
    [{}, { par: 'never' }],
    [{ require_signed_request_object: true }, { jar: true }],
    [
      { ...par, request_parameter_supported: false },
      { jar: true, par: 'required' },
    ],
    [{ response_modes_supported: ['query', 'jwt'] }, { jarm: true }],
    [{ response_modes_supported: ['form_post'] }, { responseMode: 'form_post' }],
    [{ dpop_signing_alg_values_supported: ['ES256'] }, { dpop: true }],
  ])('agrees with the configuration: %j %j', (metadata, options) => {
    const found = disagreements({ issuer: 'x', ...metadata }, {
      ...usual,
      ...options,
    } as unknown as ProviderOptions);
    expect(found).toEqual([]);
  });

  it.each<[object, object, boolean, RegExp]>([
    [insists, {}, true, /no pushed_authorization_request_endpoint/],
    [{}, { par: 'required' }, true, /no pushed_authorization_request_endpoint/],
    [{ ...par, ...insists }, { par: 'never' }, true, /it insists on pushed requests/],
    [{ require_signed_request_object: true }, {}, true, /set jar and clientKey/],
    [{ request_parameter_supported: false }, { jar: true }, false, /takes no request objects/],
    [
      { response_modes_supported: ['query'] },
      { jarm: true },
      false,
      /responses by jwt .* announces query/,
    ],
    [
      { response_modes_supported: ['query', 'jwt'] },
      { jarm: true, responseMode: 'form_post' },
      false,
      /responses by form_post\.jwt/,
    ],
    [
      { authorization_signing_alg_values_supported: ['HS256'] },
      { jarm: true },
      true,
      /signs responses with HS256/,
    ],
    [
      { dpop_signing_alg_values_supported: ['RS256'] },
      { dpop: true },
      true,
      /by RS256 and not ES256/,
    ],
    [{}, { dpop: true }, false, /does not announce DPoP/],
  ])('does not agree: %j %j', (metadata, options, isFatal, message) => {
    const found = disagreements({ issuer: 'x', ...metadata }, {
      ...usual,
      ...options,
    } as unknown as ProviderOptions);
    expect(found).toEqual([{ isFatal, message: expect.stringMatching(message) }]);
  });
});
