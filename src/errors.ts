import { isNativeError } from 'node:util/types';

/**
 * The public description of every failure, one row per code. A code is public and stable, and its
 * sentence is safe for any client. The actual reason stays in `cause`, for the log.
 */
const table = {
  bad_path: [400, 'The path of the address could be read in more than one way.'],
  invalid_return_url: [400, 'The return URL must be a path on this site.'],
  invalid_request: [400, 'The request is not complete or not well formed.'],
  session_mismatch: [400, 'This link does not belong to this session.'],
  login_expired: [400, 'This sign-in has expired or was already completed.'],
  invalid_logout_token: [400, 'The logout token is not valid.'],
  not_signed_in: [401, 'You are not signed in.'],
  step_up_required: [401, 'This action needs a stronger sign-in.'],
  invalid_token: [401, 'The access token is missing, expired or not valid here.'],
  csrf: [403, 'The request does not prove that it comes from this site.'],
  login_denied: [403, 'The sign-in was cancelled or denied.'],
  not_allowed: [403, 'Your account does not have access to this.'],
  insufficient_scope: [403, 'The access token has not every scope that this needs.'],
  token_refused: [403, 'No access token may be issued for this resource.'],
  not_found: [404, 'There is nothing at this address.'],
  unknown_provider: [404, 'There is no sign-in provider of that name.'],
  method_not_allowed: [405, 'This address does not accept that method.'],
  body_too_large: [413, 'The request body is larger than allowed.'],
  rate_limited: [429, 'Too many requests; please wait a moment.'],
  internal_error: [500, 'Something went wrong on our side.'],
  login_failed: [502, 'The response of the sign-in provider could not be accepted.'],
  upstream_unreachable: [502, 'The server behind this address could not be reached.'],
  session_store_unavailable: [
    503,
    'Sessions cannot be read at the moment. Signed-in users stay signed in.',
  ],
  provider_unavailable: [503, 'The sign-in provider does not respond at the moment.'],
  hook_unavailable: [503, 'The sign-in cannot be completed at the moment.'],
  upstream_timeout: [504, 'The server behind this address took too long to respond.'],
} as const satisfies Record<string, readonly [status: number, sentence: string]>;

/** The public, stable code of a failure. */
export type ErrorCode = keyof typeof table;

/** Seconds until a client may retry, for codes whose cause is temporary. */
const retryAfterSeconds: Partial<Record<ErrorCode, number>> = {
  session_store_unavailable: 2,
  provider_unavailable: 5,
  hook_unavailable: 5,
  rate_limited: 10,
};

/** A response to a page navigation that takes the place of the error response. */
export interface Detour {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The page, in HTML. `undefined` for a redirect. */
  readonly page?: string | undefined;
}

/**
 * Extension members of a problem document (RFC 9457 §3.2). An `undefined` one leaves out a member
 * that the code has by default.
 */
export type ErrorExtensions = Readonly<Record<string, string | undefined>>;

/** Details of a failure. The client receives everything except `cause`. */
export interface BffErrorOptions {
  /** The underlying error. It is logged and never sent to the client. */
  readonly cause?: unknown;
  /** Extension members of the problem document, for example `loginUrl`. */
  readonly extensions?: ErrorExtensions;
  /**
   * Parameters of the challenge to a client with an access token, for example `acr_values` (RFC
   * 9470 §3). A browser gets no challenge.
   */
  readonly challenge?: Readonly<Record<string, string | undefined>>;
  /** Additional response headers, for example `Allow`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent instead of the error, for example a redirect to the sign-in. */
  readonly detour?: Detour;
}

/** The error of a request. `problem.filter.ts` turns it into the response. */
export class BffError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly extensions: ErrorExtensions;
  readonly challenge: Readonly<Record<string, string | undefined>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly detour: Detour | undefined;

  constructor(code: ErrorCode, options: BffErrorOptions = {}) {
    const [status, sentence] = table[code];
    super(sentence, { cause: options.cause });
    this.name = 'BffError';
    this.code = code;
    this.status = status;
    this.extensions = options.extensions ?? {};
    this.challenge = options.challenge ?? {};
    this.detour = options.detour;
    const seconds = retryAfterSeconds[code];
    this.headers = { ...(seconds && { 'Retry-After': String(seconds) }), ...options.headers };
  }

  /**
   * The HTTP status. Together with `expose` it follows the convention of `http-errors`, so that
   * Express or a filter of the host application responds with our status and sentence.
   */
  get statusCode(): number {
    return this.status;
  }

  get expose(): boolean {
    return true;
  }
}

/**
 * Whether a thrown value is an error. `instanceof Error` fails for errors of another realm, such as
 * those from `node:vm`.
 */
export function isError(thrown: unknown): thrown is Error {
  return thrown instanceof Error || isNativeError(thrown);
}

/**
 * Returns the innermost error message, for the operator. Node's error for several failed addresses
 * has no message; then its code is returned.
 */
export function reasonOf(thrown: unknown): string {
  if (!isError(thrown)) return String(thrown);
  if (isError(thrown.cause)) return reasonOf(thrown.cause);
  return thrown.message || (thrown as NodeJS.ErrnoException).code || thrown.name;
}
