import { Configuration } from 'openid-client';
import {
  checkAuthorizationResponse,
  refuseRepeatedParameters,
} from '../../src/oauth/login/authorization-response.ts';

const issuer = 'https://login.example.com';
const silent = new Configuration({ issuer }, 'client');
const promising = new Configuration(
  { issuer, authorization_response_iss_parameter_supported: true },
  'client',
);
const ours = `iss=${encodeURIComponent(issuer)}`;
const check =
  (query: string, configuration = silent) =>
  () =>
    checkAuthorizationResponse(new URLSearchParams(query), configuration);

describe('an authorization response', () => {
  it('is searched for repeated parameters in one pass (quadratic work)', () => {
    const names = Array.from({ length: 15_000 }, (_, n) => n.toString(36));
    const parameters = new URLSearchParams(names.join('&'));
    const before = process.cpuUsage();
    refuseRepeatedParameters(parameters);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(20);
  });

  it.each([
    ['code=abc&state=s', silent],
    [`code=abc&state=s&${ours}`, silent],
    [`code=abc&state=s&${ours}`, promising],
    ['code=abc&state=s&session_state=x&foo=bar', silent],
  ])('leads to a token request: %s', (query, configuration) => {
    expect(check(query, configuration)).not.toThrow();
  });

  it.each([
    ['no code', 'state=s'],
    ['an empty code', 'code=&state=s'],
    ['an ID token', 'code=abc&id_token=x'],
    ['an access token', 'code=abc&access_token=x'],
    ['an empty access token', 'code=abc&access_token='],
    ['a JARM response', 'code=abc&response=x'],
    ['another issuer', 'code=abc&iss=https%3A%2F%2Fevil.example'],
    ['an issuer with a slash at its end', `code=abc&${ours}%2F`],
    ['an issuer in another case', 'code=abc&iss=https%3A%2F%2FLOGIN.example.com'],
    ['an issuer with its port', `code=abc&${ours}%3A443`],
    ['an issuer without TLS', 'code=abc&iss=http%3A%2F%2Flogin.example.com'],
    ['an issuer encoded twice', `code=abc&iss=${encodeURIComponent(encodeURIComponent(issuer))}`],
    ['an empty issuer', 'code=abc&iss='],
  ])('with %s is malformed', (_, query) => {
    for (const configuration of [silent, promising]) {
      expect(check(query, configuration)).toThrow(
        expect.objectContaining({ code: 'invalid_request', status: 400 }),
      );
    }
  });

  it('without iss is malformed where the provider promises one (RFC 9207 §2.4)', () => {
    expect(check('code=abc', promising)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
    expect(check('error=access_denied', promising)).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });

  it('of another issuer is not believed when it says that the user refused', () => {
    expect(check('error=access_denied&iss=https%3A%2F%2Fevil.example')).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });

  it.each([
    ['access_denied', 'login_denied'],
    ['login_required', 'login_denied'],
    ['interaction_required', 'login_denied'],
    ['consent_required', 'login_denied'],
    ['account_selection_required', 'login_denied'],
    ['temporarily_unavailable', 'provider_unavailable'],
    ['server_error', 'login_failed'],
    ['invalid_request', 'login_failed'],
    ['unauthorized_client', 'login_failed'],
    ['invalid_scope', 'login_failed'],
    ['unsupported_response_type', 'login_failed'],
    ['', 'login_failed'],
    ['<script>', 'login_failed'],
    ['x'.repeat(5000), 'login_failed'],
  ])('that says %s means %s to the user, even with a code beside it', (error, code) => {
    const query = new URLSearchParams({ error, code: 'abc' }).toString();
    expect(check(query)).toThrow(expect.objectContaining({ code }));
  });

  it.each([
    'code=a&code=b',
    'code=a&code=a',
    'state=s&code=a&state=s',
    'iss=a&iss=a',
    'error=a&error=b',
    'x=1&x=2',
    'code=&code=',
  ])('that says something twice is malformed: %s', (query) => {
    expect(() => refuseRepeatedParameters(new URLSearchParams(query))).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });
});
