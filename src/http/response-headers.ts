import { randomUUID } from 'node:crypto';
import type { Request, Response } from 'express';
import helmet from 'helmet';
import { isBelow } from './path-prefix.ts';

/** Options for the default response headers. */
export interface ResponseHeaderOptions {
  readonly isHttps: boolean;
  /** Path prefixes without pages: our endpoints and the proxied routes. */
  readonly notPages: readonly string[];
  /** The `Content-Security-Policy` of pages. `undefined` sends none. */
  readonly pagePolicy?: string | undefined;
}

const nothingAllowed =
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * The default headers of every response: a request id and helmet's security headers, which are
 * computed once. An upstream's headers override them.
 */
export class ResponseHeaders {
  /** Headers of the frontend's pages, with names in lower case. */
  readonly page: Readonly<Record<string, string>>;
  /** Headers of all other responses, with names in lower case. */
  readonly other: Readonly<Record<string, string>>;

  constructor(private readonly options: ResponseHeaderOptions) {
    const { isHttps, pagePolicy } = options;
    const headers = helmetHeaders(isHttps);
    this.page = {
      ...headers,
      // A page may sign in in a pop-up window, which leads through the provider's pages.
      'cross-origin-opener-policy': 'same-origin-allow-popups',
      ...(pagePolicy && { 'content-security-policy': pagePolicy }),
    };
    this.other = { ...headers, 'content-security-policy': nothingAllowed };
  }

  /** Sets the headers, and an id for the request. Does nothing if the headers were already sent. */
  set(request: Request, response: Response): void {
    // An error in the middle of a response passes through here to be logged.
    if (response.headersSent) return;
    request.id ??= randomUUID();
    response.setHeader('X-Request-Id', String(request.id));
    const headers = this.#isPage(request.originalUrl) ? this.page : this.other;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.removeHeader('X-Powered-By');
  }

  #isPage(originalUrl: string): boolean {
    const path = decodedPath(originalUrl);
    return path !== undefined && !this.options.notPages.some((prefix) => isBelow(path, prefix));
  }
}

/**
 * Decodes the path like route matching does, so that `/%61pi` does not get the policy of a page.
 * Returns `undefined` for invalid encoding.
 */
function decodedPath(originalUrl: string): string | undefined {
  const [path = ''] = originalUrl.split('?', 1);
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined; // a later step refuses the request
  }
}

/** Runs helmet once on a fake response that records the headers. */
function helmetHeaders(isHttps: boolean): Record<string, string> {
  const headers: Record<string, string> = {};
  const recorder = {
    setHeader: (name: string, value: string) => void (headers[name.toLowerCase()] = value),
    removeHeader: () => {},
  };
  const middleware = helmet({
    contentSecurityPolicy: false,
    strictTransportSecurity: isHttps && { maxAge: 31_536_000, includeSubDomains: true },
    xFrameOptions: { action: 'deny' },
  });
  middleware({} as never, recorder as never, () => {});
  return headers;
}
