import { BffError, type ErrorCode } from '../../errors.ts';
import { challengeAttributes } from '../../http/challenge-attributes.ts';
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
  const scheme = schemeOf(authorization);
  const isAboutToken = status === 403 || code === 'invalid_request';
  if (status !== 401 && !(scheme && isAboutToken)) return undefined;
  const error = scheme !== undefined && {
    error: errorCodes[code] ?? 'access_denied',
    error_description: message,
    ...challenge,
  };
  return bothChallenges(error || undefined, scheme, scopes.join(' '), metadataUrl);
}

/** The errors of an upstream that concern the client (RFC 6750 §3.1, RFC 9470 §3). */
const relayedErrors = new Set([
  'invalid_request',
  'invalid_token',
  'insufficient_scope',
  'insufficient_user_authentication',
]);

/**
 * Returns the fields in place of an upstream's `WWW-Authenticate` for access tokens, whose metadata
 * would lead the client to another authorization server than ours: the upstream's error, with the
 * address of our metadata. `isForwarded` tells whether the upstream got the client's own token. The
 * scopes of any other token mean nothing to the client. `undefined` if the upstream asks for no
 * access token.
 */
export function relayedChallenges(
  received: string | readonly string[],
  { scopes, metadataUrl }: BearerRoute,
  authorization: string | undefined,
  isForwarded: boolean,
): string[] | undefined {
  const challenge = [received].flat().join(', ');
  if (!/(?:^|,) *(?:bearer|dpop)(?= |,|$)/i.test(challenge)) return undefined;
  const attributes = challengeAttributes(challenge);
  const isRelayed = relayedErrors.has(attributes.get('error') ?? '');
  const error = {
    error: attributes.get('error'),
    error_description: attributes.get('error_description'),
    acr_values: attributes.get('acr_values'),
    max_age: attributes.get('max_age'),
  };
  const scope = (isForwarded && attributes.get('scope')) || scopes.join(' ');
  return bothChallenges(isRelayed ? error : undefined, schemeOf(authorization), scope, metadataUrl);
}

/** The scheme of a request with an access token, in lower case. */
function schemeOf(authorization = ''): string | undefined {
  return /^(?:bearer|dpop)(?= |$)/i.exec(authorization)?.[0].toLowerCase();
}

/** The challenges of both schemes. Only a client that sent a proof gets the error in both. */
function bothChallenges(
  error: Parameters | undefined,
  scheme: string | undefined,
  scope: string,
  metadataUrl: string,
): string[] {
  const resource = { scope: scope || undefined, resource_metadata: metadataUrl };
  const proofError = scheme === 'dpop' ? error : undefined;
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
