import { BffError, type ErrorCode } from '../../errors.ts';
import { dpopAlgorithms } from '../../oauth/bearer/dpop-proofs.ts';
import type { BearerRoute } from './bearer-route.ts';

type Parameters = Readonly<Record<string, string | undefined>>;

/**
 * The error codes of RFC 6750 §3.1 for our own. Other codes of a refused token are not registered
 * there; `access_denied` tells the client that neither another token nor another scope helps.
 */
const errorCodes: Partial<Record<ErrorCode, string>> = {
  invalid_request: 'invalid_request',
  invalid_token: 'invalid_token',
  insufficient_scope: 'insufficient_scope',
  step_up_required: 'insufficient_user_authentication',
};

/**
 * Returns the `WWW-Authenticate` fields for a failure on a route that accepts access tokens: one
 * for each scheme (RFC 6750 §3, RFC 9449 §7.1), with the address of the metadata (RFC 9728 §5.1).
 * `undefined` for a failure that is not about the token. A request without a token gets no error
 * code (RFC 6750 §3.1). `authorization` is the header of the request.
 */
export function challengesFor(
  failure: unknown,
  { scopes, metadataUrl }: BearerRoute,
  authorization: string | undefined,
): string[] | undefined {
  if (!(failure instanceof BffError) || failure.detour) return undefined;
  const { code, status, message, challenge } = failure;
  const [scheme] = /^(?:bearer|dpop)(?= |$)/i.exec(authorization ?? '') ?? [];
  const isAboutToken = status === 403 || code === 'invalid_request';
  if (status !== 401 && !(scheme && isAboutToken)) return undefined;
  const error = scheme && {
    error: errorCodes[code] ?? 'access_denied',
    error_description: message,
    ...challenge,
  };
  const resource = { scope: scopes.join(' ') || undefined, resource_metadata: metadataUrl };
  const proofError = scheme?.toLowerCase() === 'dpop' ? error : undefined;
  return [
    challengeOf('Bearer', { ...error, ...resource }),
    challengeOf('DPoP', { algs: dpopAlgorithms.join(' '), ...proofError, ...resource }),
  ];
}

/** One challenge, with quoted strings as values (RFC 9110 §11.2). */
function challengeOf(scheme: string, parameters: Parameters): string {
  const list = Object.entries(parameters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${escaped(value)}"`);
  return `${scheme} ${list.join(', ')}`;
}

/** Escapes a quoted string, and drops what a header must not contain (RFC 9110 §5.6.4). */
function escaped(value = ''): string {
  return value.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&');
}
