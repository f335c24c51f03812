import { BffError } from '../errors.ts';

/** The maximum `Retry-After` that is accepted from a provider, in seconds. */
const longestRetryAfter = 300;

/** Error codes of Node.js and undici for a connection that was not established. */
const notConnected = new Set<unknown>([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Error codes of `openid-client` and `jose` for a key that was not found. */
const unknownKey = new Set<unknown>(['OAUTH_KEY_SELECTION_FAILED', 'ERR_JWKS_NO_MATCHING_KEY']);

/** Why a provider is unavailable. It is the cause of a `provider_unavailable`. */
export class Outage extends Error {
  /** The status of a response that was not usable. `undefined` if there was no response. */
  readonly status?: number;
  /** Whether the provider accepts no connections or responds to no request. */
  readonly isUnreachable: boolean;
  /**
   * The seconds to wait before the next request. `undefined` if the provider sent no valid
   * `Retry-After` (RFC 9110 §10.2.3).
   */
  readonly retryAfter?: number;

  constructor(message: string, { cause, response, isUnreachable = false }: OutageFacts = {}) {
    super(message, { cause });
    this.name = 'Outage';
    this.isUnreachable = isUnreachable;
    if (!response) return;
    this.status = response.status;
    const retryAfter = readRetryAfter(response);
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
  }

  /** The public error for this outage. */
  toBffError(): BffError {
    const { retryAfter } = this;
    const headers = retryAfter && { headers: { 'Retry-After': String(retryAfter) } };
    return new BffError('provider_unavailable', { cause: this, ...headers });
  }
}

interface OutageFacts {
  readonly cause?: unknown;
  readonly response?: ResponseHead;
  readonly isUnreachable?: boolean;
}

/** The status and headers of a response, which describe an outage. */
interface ResponseHead {
  readonly status: number;
  readonly headers: Headers;
}

/**
 * Translates an error of `openid-client`. A missing response becomes `provider_unavailable`. A
 * refusal, an invalid response or an invalid token becomes `login_failed`.
 */
export function toBffError(error: unknown): BffError {
  return unavailability(error) ?? new BffError('login_failed', { cause: error });
}

/** The outage in the cause chain of an error, or `undefined` if there is none. */
export function outageBehind(error: unknown): Outage | undefined {
  return causes(error).find((link) => link instanceof Outage);
}

/** Whether a request of undici failed because no connection was established. */
export function isConnectFailure(error: unknown): boolean {
  return notConnected.has((error as { readonly code?: unknown } | undefined)?.code);
}

/** Whether a token was signed with a key that is not among the provider's published keys. */
export function isUnknownKey(error: unknown): boolean {
  return causes(error).some((link) => 'code' in link && unknownKey.has(link.code));
}

/** Finds our own error in the cause chain. openid-client wraps the errors of a custom fetch. */
function unavailability(error: unknown): BffError | undefined {
  for (const link of causes(error)) {
    if (link instanceof BffError) return link;
    if ('code' in link && link.code === 'OAUTH_TIMEOUT') {
      return new BffError('provider_unavailable', { cause: error });
    }
  }
  return undefined;
}

/** An error and its chain of causes. */
function causes(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causes(error.cause)] : [];
}

/** Ignores dates, because the provider's clock may differ from ours. */
function readRetryAfter({ status, headers }: ResponseHead): number | undefined {
  if (status !== 429 && status !== 503) return undefined;
  const text = headers.get('retry-after') ?? '';
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return seconds > 0 && seconds <= longestRetryAfter ? seconds : undefined;
}
