/** The error of a call to the BFF that did not succeed. */
export class BffClientError extends Error {
  override readonly name = 'BffClientError';

  /**
   * `code` is a code of the BFF, such as `session_store_unavailable`, or `network_error` if there
   * was no response. `status` is the HTTP status, 0 without a response.
   */
  constructor(
    readonly code: string,
    readonly status: number,
    options?: ErrorOptions,
  ) {
    super(`The BFF responded with ${code}.`, options);
  }
}

/** The problem document of the BFF (RFC 9457). */
export interface Problem {
  readonly code?: unknown;
  readonly loginUrl?: unknown;
}

/**
 * Reads the problem document of a response without consuming its body. Returns an empty object for
 * any other response.
 */
export async function problemIn(response: Response): Promise<Problem> {
  const type = response.headers.get('Content-Type') ?? '';
  if (!type.startsWith('application/problem+json')) return {};
  try {
    return ((await response.clone().json()) as Problem | null) ?? {};
  } catch {
    return {}; // broken off: the caller gets the response itself
  }
}
