import { randomUUID } from 'node:crypto';
import type { Request, Response } from 'express';
import helmet from 'helmet';
import { isBelow } from './path-prefix.ts';

/** What decides over the headers every answer carries. */
export interface ResponseHeaderOptions {
  readonly isHttps: boolean;
  /** Paths below which nothing is a page: our endpoints and the proxied routes. */
  readonly notPages: readonly string[];
  /** The pages' Content-Security-Policy. Absent: none. */
  readonly pagePolicy?: string | undefined;
}

const nothingAllowed =
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * What every answer carries: a request id to quote, and helmet's security headers. They are
 * computed once. An upstream's own headers win over them where it sends some.
 */
export class ResponseHeaders {
  /** Of pages of the frontend. Names are in lower case. */
  readonly page: Readonly<Record<string, string>>;
  /** Of everything else. */
  readonly other: Readonly<Record<string, string>>;

  constructor(private readonly options: ResponseHeaderOptions) {
    const { isHttps, pagePolicy } = options;
    const headers = helmetHeaders(isHttps);
    this.page = { ...headers, ...(pagePolicy && { 'content-security-policy': pagePolicy }) };
    this.other = { ...headers, 'content-security-policy': nothingAllowed };
  }

  set(request: Request, response: Response): void {
    // An answer that was broken off comes here for its line in the log alone.
    if (response.headersSent) return;
    request.id ??= randomUUID();
    response.setHeader('X-Request-Id', String(request.id));
    const headers = this.#isPage(request.originalUrl) ? this.page : this.other;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.removeHeader('X-Powered-By');
  }

  #isPage(originalUrl: string): boolean {
    const path = pathMeant(originalUrl);
    return path !== undefined && !this.options.notPages.some((prefix) => isBelow(path, prefix));
  }
}

/**
 * The path as routes are matched: `/%61pi` must not get the policy of a page. Absent: it is no
 * path.
 */
function pathMeant(originalUrl: string): string | undefined {
  const [path = ''] = originalUrl.split('?', 1);
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined; // the request will be refused for it
  }
}

/** Runs helmet once on a response that only takes notes. */
function helmetHeaders(isHttps: boolean): Record<string, string> {
  const headers: Record<string, string> = {};
  const notes = {
    setHeader: (name: string, value: string) => void (headers[name.toLowerCase()] = value),
    removeHeader: () => {},
  };
  const middleware = helmet({
    contentSecurityPolicy: false,
    strictTransportSecurity: isHttps && { maxAge: 31_536_000, includeSubDomains: true },
    xFrameOptions: { action: 'deny' },
  });
  middleware({} as never, notes as never, () => {});
  return headers;
}
