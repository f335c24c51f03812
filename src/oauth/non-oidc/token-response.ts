import type { ProviderOptions } from '../../config/options.ts';
import { presetOf } from '../../config/presets/presets.ts';
import type { ProviderResponse, ResponseReader } from '../provider/fetch.ts';

type Fields = Record<string, unknown>;

/**
 * Normalizes token responses of OAuth 2 providers without OpenID Connect to RFC 6749 §5. It
 * converts forms to JSON, errors with status 200 or non-standard names, a missing `token_type` and
 * an invalid `expires_in`. Everything else stays unchanged.
 */
export function tokenResponses(options: ProviderOptions): ResponseReader {
  const errors = presetOf(options)?.errors ?? {};
  return (url, response) => {
    const isAboutTokens = url === options.tokenEndpoint && !isRedirectOrOutage(response);
    const fields = isAboutTokens ? readFields(response) : undefined;
    if (!fields) return response;
    return isRefusal(fields) ? refusal(response, fields, errors) : success(response, fields);
  };
}

/** Redirects, outages and rate limits are handled by the caller. */
function isRedirectOrOutage({ status }: ProviderResponse): boolean {
  return status >= 500 || status === 429 || (status >= 300 && status < 400);
}

function readFields({ body }: ProviderResponse): Fields | undefined {
  try {
    const json: unknown = JSON.parse(body);
    return isFields(json) ? json : undefined;
  } catch {
    // Some providers label a form as text or HTML, so the content type does not count.
    const form = Object.fromEntries(new URLSearchParams(body));
    return 'access_token' in form || 'error' in form ? form : undefined;
  }
}

function isFields(json: unknown): json is Fields {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** A response with both a token and an error is a refusal. */
function isRefusal({ error }: Fields): boolean {
  return error !== undefined && error !== null && error !== '' && error !== false;
}

function refusal(
  response: ProviderResponse,
  fields: Fields,
  names: Readonly<Record<string, string>>,
): ProviderResponse {
  const stated = typeof fields['error'] === 'string' ? fields['error'] : 'invalid_request';
  const error = Object.hasOwn(names, stated) ? names[stated] : stated;
  const { error_description: description } = fields;
  const text = typeof description === 'string' ? { error_description: description } : {};
  return asJson(response, response.status < 400 ? 400 : response.status, { error, ...text });
}

function success(response: ProviderResponse, fields: Fields): ProviderResponse {
  // Drops `id_token`: it was not requested and would not be verified.
  const { id_token: _idToken, expires_in: lifetime, scope, ...rest } = fields;
  const seconds = typeof lifetime === 'string' ? Number(lifetime) : lifetime;
  const isLifetime = typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0;
  const scopes = Array.isArray(scope) ? scope.join(' ') : scope;
  const isCreated = response.status === 201;
  return asJson(response, isCreated ? 200 : response.status, {
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null)),
    token_type: rest['token_type'] || 'bearer',
    ...(isLifetime && { expires_in: seconds }),
    ...(typeof scopes === 'string' && { scope: scopes.replaceAll(/[\s,]+/g, ' ').trim() }),
  });
}

function asJson({ headers }: ProviderResponse, status: number, fields: Fields): ProviderResponse {
  const changed = new Headers(headers);
  changed.set('content-type', 'application/json');
  return { status, headers: changed, body: JSON.stringify(fields) };
}
