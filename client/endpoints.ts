import { BffClientError, problemIn } from './client-error.ts';

/** The header that proves that a call comes from a page of this site. */
export interface CsrfHeader {
  readonly header: string;
  readonly value: string;
}

/** Milliseconds until a request is given up. */
const timeout = 10_000;

/**
 * Sends a request to an endpoint of the BFF, `GET` by default, and resolves with the JSON of its
 * response, `undefined` for `401 not_signed_in`. Rejects with a `BffClientError`.
 */
export type Endpoints = (path: string, method?: string) => Promise<unknown>;

/** Creates the function that calls the endpoints below `basePath`. */
export function createEndpoints(basePath: string, csrf: CsrfHeader): Endpoints {
  return async (path, method = 'GET') => {
    const signal = AbortSignal.timeout(timeout);
    const init = withCsrf(csrf, { method, signal });
    const response = await fetch(basePath + path, init).catch((cause: unknown) => {
      throw new BffClientError('network_error', 0, { cause });
    });
    const { code = 'unexpected_response' } = await problemIn(response);
    if (code === 'not_signed_in') return undefined;
    try {
      if (response.ok) return await response.json();
    } catch {
      // Not the BFF: a page with the status 200, for example.
    }
    throw new BffClientError(String(code), response.status);
  };
}

/** Returns `init` with the CSRF header beside the headers of `init`, or of `request`. */
export function withCsrf(csrf: CsrfHeader, init?: RequestInit, request?: Request): RequestInit {
  const headers = new Headers(init?.headers ?? request?.headers);
  headers.set(csrf.header, csrf.value);
  return { ...init, headers };
}
