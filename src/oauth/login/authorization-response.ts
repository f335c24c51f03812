import type { Configuration } from 'openid-client';
import { BffError, type ErrorCode } from '../../errors.ts';

/**
 * Checks an authorization response before the token request. The caller has already found the
 * pending login of its `state`. Throws `invalid_request` for a malformed response, and the error
 * that matches the `error` code of a valid one (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6).
 */
export function checkAuthorizationResponse(
  parameters: URLSearchParams,
  configuration: Configuration,
): void {
  // `iss` comes before `error`: an error response of another server must not count (RFC 9207 §2.4).
  checkIssuer(parameters, configuration);
  for (const name of ['response', 'id_token', 'access_token', 'token']) {
    if (parameters.has(name)) throw malformed(`${name} was not requested`);
  }
  const error = parameters.get('error');
  if (error !== null) throw new BffError(errorCode(error), { cause: new Error(`error=${error}`) });
  if (!parameters.get('code')) throw malformed('code is missing');
}

/**
 * Throws `invalid_request` for a repeated parameter. "Request and response parameters MUST NOT be
 * included more than once" (RFC 6749 §3.1).
 */
export function refuseRepeatedParameters(parameters: URLSearchParams): void {
  const seen = new Set<string>();
  for (const name of parameters.keys()) {
    if (seen.has(name)) throw malformed(`${name} is repeated`);
    seen.add(name);
  }
}

function checkIssuer(parameters: URLSearchParams, configuration: Configuration): void {
  const { issuer, authorization_response_iss_parameter_supported: isPromised } =
    configuration.serverMetadata();
  const iss = parameters.get('iss');
  if (iss === null && isPromised) throw malformed('iss is missing');
  if (iss !== null && iss !== issuer) throw malformed('iss names another issuer');
}

function errorCode(error: string): ErrorCode {
  switch (error) {
    case 'access_denied':
    case 'login_required':
    case 'interaction_required':
    case 'consent_required':
    case 'account_selection_required':
    case 'unmet_authentication_requirements':
      return 'login_denied';
    case 'temporarily_unavailable':
      return 'provider_unavailable';
    default:
      return 'login_failed';
  }
}

function malformed(what: string): BffError {
  return new BffError('invalid_request', { cause: new Error(`authorization response: ${what}`) });
}
