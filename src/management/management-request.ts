/**
 * What somebody asks the management listener, in a form that can be passed on to another process.
 */
export interface ManagementRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly authorization: string | undefined;
}

/** What the management listener answers. */
export interface ManagementResponse {
  readonly code: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text is sent as it is, anything else as JSON. Absent: there is none. */
  readonly body?: unknown;
}

/** In the words of `/readyz`. */
export function jsonResponse(code: number, status: string, more: object = {}): ManagementResponse {
  return { code, body: { status, ...more } };
}

/** What every address says to a method it does not know (RFC 9110 §15.5.6). */
export function notAllowed(allowed: readonly string[]): ManagementResponse {
  return { ...jsonResponse(405, 'method not allowed'), headers: { Allow: allowed.join(', ') } };
}

/** What `/readyz` says once a signal to stop has come. */
export function draining(): ManagementResponse {
  const server = { status: 'unavailable', reason: 'draining' };
  return jsonResponse(503, 'unavailable', { checks: { server } });
}

/** The path a question is about. */
export function pathOf({ url }: ManagementRequest): string {
  return url.split('?', 1)[0] ?? '';
}

/** For addresses that are only looked at. Absent: the method may look. */
export function refuseToChange({ method }: ManagementRequest): ManagementResponse | undefined {
  return method === 'GET' || method === 'HEAD' ? undefined : notAllowed(['GET', 'HEAD']);
}
