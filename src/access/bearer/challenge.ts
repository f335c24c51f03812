import { BffError, type BffErrorOptions, type ErrorCode } from '../../errors.ts';
import { dpopAlgorithms } from '../../oauth/bearer/dpop-proofs.ts';
import type { BearerRoute } from './bearer-route.ts';

type Parameters = Readonly<Record<string, string | undefined>>;

/** The challenges of errors that a client can react to (RFC 6750 §3.1, RFC 9470 §3). */
const errorOf: Partial<Record<ErrorCode, string>> = {
  invalid_token: 'invalid_token',
  insufficient_scope: 'insufficient_scope',
  step_up_required: 'insufficient_user_authentication',
};

/**
 * Creates an error with a challenge in `WWW-Authenticate` that leads the client to the metadata of
 * the resource (RFC 9728 §5.1). Without credentials in the request, use `not_signed_in`, whose
 * challenge has no error.
 */
export function challenged(
  code: ErrorCode,
  { metadataUrl, scopes }: BearerRoute,
  options: BffErrorOptions = {},
  further: Parameters = {},
): BffError {
  const error = errorOf[code];
  const needsScope = error === undefined || error === 'insufficient_scope';
  const parameters = {
    error,
    error_description: error && new BffError(code).message,
    scope: needsScope && scopes.length > 0 ? scopes.join(' ') : undefined,
    ...further,
    resource_metadata: metadataUrl,
  };
  const algorithms = dpopAlgorithms.join(' ');
  const value =
    `Bearer ${listOf(parameters)}, ` +
    `DPoP ${listOf({ error, algs: algorithms, resource_metadata: metadataUrl })}`;
  const { headers } = options;
  return new BffError(code, { ...options, headers: { ...headers, 'WWW-Authenticate': value } });
}

/** The parameters of a challenge. Quotes and backslashes cannot occur in them (RFC 6750 §3). */
function listOf(parameters: Parameters): string {
  return Object.entries(parameters)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${quotable(value)}"`]))
    .join(', ');
}

function quotable(value: string): string {
  return value.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '');
}
