/** A request to the management listener, in a form that can be sent to another process. */
export interface ManagementRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly authorization: string | undefined;
}

/** A response of the management listener. */
export interface ManagementResponse {
  readonly code: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string is sent as it is, any other value as JSON. Optional. */
  readonly body?: unknown;
}

/** Creates a JSON response with a `status` member, as `/readyz` returns it. */
export function jsonResponse(code: number, status: string, more: object = {}): ManagementResponse {
  return { code, body: { status, ...more } };
}

/** The response to an unsupported method (RFC 9110 §15.5.6). */
export function notAllowed(allowed: readonly string[]): ManagementResponse {
  return { ...jsonResponse(405, 'method not allowed'), headers: { Allow: allowed.join(', ') } };
}

/** The response of `/readyz` after a stop signal. */
export function draining(): ManagementResponse {
  const server = { status: 'unavailable', reason: 'draining' };
  return jsonResponse(503, 'unavailable', { checks: { server } });
}

/** Returns the path of a request without its query. */
export function pathOf({ url }: ManagementRequest): string {
  return url.split('?', 1)[0] ?? '';
}

/**
 * Returns a `405` response unless the method is allowed for a read-only path; otherwise
 * `undefined`.
 */
export function refuseUnlessRead({ method }: ManagementRequest): ManagementResponse | undefined {
  return method === 'GET' || method === 'HEAD' ? undefined : notAllowed(['GET', 'HEAD']);
}
