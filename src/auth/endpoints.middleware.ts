import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { looseForm } from '../http/loose-path.ts';
import { isBelow } from '../http/path-prefix.ts';
import { BffError } from '../errors.ts';
import { AUTH_OPTIONS, type AuthOptions } from './auth-options.ts';
import { limitUnreadBody } from '../http/unread-body.ts';

/**
 * Every endpoint and its methods. `HEAD` is not accepted for `GET`: it would start a login, or use
 * up a state when a mail scanner checks a link.
 */
const methods: ReadonlyMap<string, readonly string[]> = new Map([
  ['login', ['GET']],
  ['callback', ['GET']],
  ['providers', ['GET', 'HEAD']],
  ['client.js', ['GET', 'HEAD']],
  ['client.{hash}.js', ['GET', 'HEAD']],
  ['user', ['GET', 'HEAD']],
  ['refresh', ['POST']],
  ['logout', ['GET', 'POST']],
  ['logout/callback', ['GET']],
  ['sessions', ['GET', 'HEAD', 'DELETE']],
  ['sessions/{id}', ['DELETE']],
  ['events', ['GET']],
  ['backchannel', ['POST']],
  ['frontchannel', ['GET']],
  ['connect/{provider}', ['GET']],
  ['disconnect/{provider}', ['POST']],
  ['oauth/authorize', ['GET']],
  ['oauth/authorize/{id}', ['GET']],
  ['oauth/interaction/{id}', ['GET', 'POST']],
  ['oauth/token', ['POST', 'OPTIONS']],
  ['oauth/revoke', ['POST', 'OPTIONS']],
  ['oauth/device_authorization', ['POST']],
  ['oauth/device', ['GET', 'POST']],
  ['oauth/device/{id}', ['GET']],
]);

/** The first segments of all endpoints. */
export const endpointNames = [
  ...new Set([...methods.keys()].map((name) => name.split('/', 1)[0] ?? '')),
];

/**
 * Accepts only the exact paths and methods of our endpoints, and forbids caching, which only the
 * browser client allows again. Another spelling that Express would accept (other case, `;x`) is
 * `bad_path`; any other path is `not_found`.
 */
@Injectable()
export class EndpointsMiddleware implements NestMiddleware {
  constructor(@Inject(AUTH_OPTIONS) private readonly options: AuthOptions) {}

  use(request: Request, response: Response, next: NextFunction): void {
    const [path = ''] = request.originalUrl.split('?', 1);
    const { basePath } = this.options;
    if (!isBelow(path.toLowerCase(), basePath.toLowerCase())) return next();
    response.setHeader('Cache-Control', 'no-store');
    limitUnreadBody(request, response);
    const name = path.slice(basePath.length + 1);
    // No other response is cached, so conditional requests are not supported.
    if (!name.startsWith('client.')) delete request.headers['if-none-match'];
    const allowed = isBelow(path, basePath) && this.#methodsOf(name);
    if (!allowed) throw new BffError(this.#isOtherSpelling(path) ? 'bad_path' : 'not_found');
    if (!allowed.includes(request.method)) {
      throw new BffError('method_not_allowed', { headers: { Allow: allowed.join(', ') } });
    }
    next();
  }

  /** Whether a lenient server could read the path as an endpoint: `/bff/User`, `/bff/login;x`. */
  #isOtherSpelling(path: string): boolean {
    if (path.endsWith('/')) return false;
    const { basePath } = this.options;
    const loose = looseForm(decodeURIComponent(path));
    return (
      isBelow(loose, basePath.toLowerCase()) &&
      this.#methodsOf(loose.slice(basePath.length + 1)) !== undefined
    );
  }

  /** Returns `undefined` if there is no such endpoint. */
  #methodsOf(name: string): readonly string[] | undefined {
    if (name.startsWith('oauth/') && !this.options.hasAuthorizationServer) return undefined;
    return this.options.formPostCallbacks.includes(name) ? ['POST'] : allowedMethods(name);
  }
}

/**
 * Returns the methods of an endpoint, given its name below `basePath` or the path pattern of a
 * controller (`sessions/:id`). Returns `undefined` if there is no such endpoint.
 */
export function allowedMethods(name: string): readonly string[] | undefined {
  const pattern = name
    .replace(/^callback\/[^/]+$/, 'callback')
    .replace(/^client\.[0-9a-f]{16}\.js$/, 'client.{hash}.js')
    .replace(/^sessions\/[^/]+$/, 'sessions/{id}')
    .replace(/^((?:dis)?connect)\/[^/]+$/, '$1/{provider}')
    .replace(/^(oauth\/(?:authorize|interaction|device))\/[^/]+$/, '$1/{id}');
  return methods.get(pattern);
}
