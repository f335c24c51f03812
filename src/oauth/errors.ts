import { BffError } from '../errors.ts';

/** The longest `Retry-After` a provider is believed, in seconds. */
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

/** What `openid-client` and `jose` call a key they cannot find. */
const unknownKey = new Set<unknown>(['OAUTH_KEY_SELECTION_FAILED', 'ERR_JWKS_NO_MATCHING_KEY']);

/** Why a provider is unavailable: the cause of a `provider_unavailable`. */
export class Outage extends Error {
  /**
   * The status it answered with, although not with anything of use. Absent: it did not answer at
   * all.
   */
  readonly status?: number;
  /** Whether the provider accepts no connections or responds to no request. */
  readonly isUnreachable: boolean;
  /**
   * For how many seconds it wants to be left alone. Absent: it does not say, or nothing sane (RFC
   * 9110 §10.2.3).
   */
  readonly retryAfter?: number;

  constructor(message: string, { cause, answer, isUnreachable = false }: OutageFacts = {}) {
    super(message, { cause });
    this.name = 'Outage';
    this.isUnreachable = isUnreachable;
    if (!answer) return;
    this.status = answer.status;
    const retryAfter = readRetryAfter(answer);
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
  }

  /** The same, as the outside may see it. */
  toBffError(): BffError {
    const { retryAfter } = this;
    const headers = retryAfter && { headers: { 'Retry-After': String(retryAfter) } };
    return new BffError('provider_unavailable', { cause: this, ...headers });
  }
}

interface OutageFacts {
  readonly cause?: unknown;
  readonly answer?: AnswerHead;
  readonly isUnreachable?: boolean;
}

/** The part of an answer that tells what an outage is like. */
interface AnswerHead {
  readonly status: number;
  readonly headers: Headers;
}

/**
 * Translates what `openid-client` throws. What did not answer is `provider_unavailable`; what
 * answered wrongly, with a refusal or with a token that does not hold, is `login_failed`.
 */
export function toBffError(error: unknown): BffError {
  return unavailability(error) ?? new BffError('login_failed', { cause: error });
}

/** The outage behind an error, however deep. Absent: something else went wrong. */
export function outageBehind(error: unknown): Outage | undefined {
  return causes(error).find((link) => link instanceof Outage);
}

/** Whether a request of undici failed because no connection was established. */
export function isConnectFailure(error: unknown): boolean {
  return notConnected.has((error as { readonly code?: unknown } | undefined)?.code);
}

/** Whether a token was signed with a key that the provider's published keys do not contain. */
export function isUnknownKey(error: unknown): boolean {
  return causes(error).some((link) => 'code' in link && unknownKey.has(link.code));
}

/**
 * openid-client wraps what a custom fetch throws, so our own error may stand anywhere in the chain
 * of causes.
 */
function unavailability(error: unknown): BffError | undefined {
  for (const link of causes(error)) {
    if (link instanceof BffError) return link;
    if ('code' in link && link.code === 'OAUTH_TIMEOUT') {
      return new BffError('provider_unavailable', { cause: error });
    }
  }
  return undefined;
}

/** An error, what caused it, and so on. */
function causes(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causes(error.cause)] : [];
}

/** A date is not looked at: whose clock it is by, we do not know. */
function readRetryAfter({ status, headers }: AnswerHead): number | undefined {
  if (status !== 429 && status !== 503) return undefined;
  const text = headers.get('retry-after') ?? '';
  const seconds = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return seconds > 0 && seconds <= longestRetryAfter ? seconds : undefined;
}
