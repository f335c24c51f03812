import { randomUUID } from 'node:crypto';
import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Inject,
  Injectable,
  Logger,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { errorPagePolicy, renderErrorPage } from './error-page.ts';
import { BffError, type Detour, type ErrorCode } from '../errors.ts';
import { isNavigation } from './navigation.ts';

/** Injects `ProblemOptions`. */
export const PROBLEM_OPTIONS = Symbol('problem options');

/** The part of the configuration that error responses depend on. */
export interface ProblemOptions {
  readonly basePath: string;
  readonly defaultReturnUrl: string;
  /**
   * Where failed page navigations to our endpoints are redirected, with `?code=`. By default they
   * get an error page of the BFF.
   */
  readonly errorUrl?: string | undefined;
  /** Optional. Called for every error that becomes a response. */
  readonly listener?: ProblemListener;
}

/** Receives an error code and the path of the matched route, `undefined` if no route matched. */
export type ProblemListener = (code: ErrorCode, route: string | undefined) => void;

/** The error page links to the login for these errors, and to the application for all others. */
const resolvedBySignIn = new Set<ErrorCode>([
  'not_signed_in',
  'step_up_required',
  'login_expired',
  'login_denied',
  'login_failed',
  'provider_unavailable',
  'hook_unavailable',
]);

/**
 * Translates every error to a response: `application/problem+json` (RFC 9457), or for a page
 * navigation an error page or a redirect to `errorUrl`. Never exposes the cause.
 */
@Injectable()
@Catch(BffError)
export class ProblemFilter implements ExceptionFilter<BffError> {
  readonly #logger = new Logger(ProblemFilter.name);

  constructor(@Inject(PROBLEM_OPTIONS) private readonly options: ProblemOptions) {}

  /** Rethrows an error that is not about an HTTP request, such as that of a GraphQL resolver. */
  catch(error: BffError, host: ArgumentsHost): void {
    if (host.getType<string>() !== 'http') throw error;
    const http = host.switchToHttp();
    this.respond(error, http.getRequest<Request>(), http.getResponse<Response>());
  }

  /** Sends the response for any error. A foreign error is mapped to a `BffError` by its status. */
  respond(failure: unknown, request: Request, response: Response): void {
    const error = failure instanceof BffError ? failure : translate(failure);
    if (isFailure(error)) {
      this.#log(error, response);
      if (!response.closed) this.options.listener?.(error.code, request.matchedRoute);
    }
    // A response that has begun cannot be replaced. Destroying it tells the client that it is
    // incomplete.
    if (response.headersSent) return void response.destroy();
    response.setHeader('Cache-Control', 'no-store');
    for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
    if (error.detour) sendDetour(error.detour, response);
    else if (this.#isShownAsPage(request)) this.#sendPage(error, request, response);
    else this.#sendProblem(error, request, response);
  }

  /**
   * Whether the browser shows the response as a page. A `POST` to the callback counts as a `GET`,
   * because it is the navigation of an authorization response in `form_post` mode.
   */
  #isShownAsPage({ method, headers, originalUrl }: Request): boolean {
    const isCallback = originalUrl.startsWith(`${this.options.basePath}/callback`);
    return isNavigation({ method: isCallback && method === 'POST' ? 'GET' : method, headers });
  }

  #sendProblem(error: BffError, request: Request, response: Response): void {
    const { code, status, message: title } = error;
    const login = code === 'not_signed_in' ? { loginUrl: `${this.options.basePath}/login` } : {};
    const problem = {
      type: `urn:pixie-bff:${code}`,
      title,
      status,
      code,
      requestId: requestIdOf(request),
      ...login,
      ...error.extensions,
    };
    response.status(status).type('application/problem+json').send(JSON.stringify(problem));
  }

  #sendPage(error: BffError, request: Request, response: Response): void {
    const { basePath, defaultReturnUrl, errorUrl } = this.options;
    const { code, status, message: sentence } = error;
    if (errorUrl && request.originalUrl.startsWith(`${basePath}/`)) {
      const redirectStatus = request.method === 'POST' ? 303 : 302;
      const separator = errorUrl.includes('?') ? '&' : '?';
      return response.redirect(redirectStatus, `${errorUrl}${separator}code=${code}`);
    }
    const defaultUrl = resolvedBySignIn.has(code) ? `${basePath}/login` : undefined;
    const { loginUrl } = { loginUrl: defaultUrl, ...error.extensions };
    const signIn = code === 'not_allowed' ? 'Sign in with another account' : 'Sign in';
    const link = loginUrl
      ? { href: loginUrl, label: signIn }
      : { href: defaultReturnUrl, label: 'Back to the application' };
    response.setHeader('Content-Security-Policy', errorPagePolicy);
    const page = renderErrorPage({ status, code, sentence, link, requestId: requestIdOf(request) });
    response.status(status).type('html').send(page);
  }

  #log(error: BffError, response: Response): void {
    const { code, cause } = error;
    // The client disconnected, which aborted the work. That is not our failure.
    if (response.closed)
      return this.#logger.debug({ msg: code, code, reason: 'the client went away' });
    if (error.status >= 500) return this.#logger.error({ msg: code, code, err: error });
    // For a client error the log needs the reason, not our stack.
    this.#logger.log({
      msg: code,
      code,
      reason: cause instanceof Error ? cause.message : undefined,
    });
  }
}

/**
 * Handles the errors of Nest and Express like a `BffError`. Only for a standalone server: a host
 * application keeps its own filters.
 */
@Catch()
export class UnexpectedErrorFilter implements ExceptionFilter {
  constructor(private readonly problems: ProblemFilter) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.problems.respond(error, http.getRequest<Request>(), http.getResponse<Response>());
  }
}

/**
 * Translates an error of Nest or Express. Drops the cause of client errors, because Nest's message
 * quotes the URL with its query.
 */
function translate(error: unknown): BffError {
  const status = error instanceof HttpException ? error.getStatus() : 500;
  if (status >= 500) return new BffError('internal_error', { cause: error });
  if (status === 404) return new BffError('not_found');
  return new BffError(status === 413 ? 'body_too_large' : 'invalid_request');
}

/** Whether to log and count an error. A redirected or reloaded navigation is no failure. */
function isFailure({ detour }: BffError): boolean {
  return !detour || detour.status >= 400;
}

/** Does not use `response.send`, which could respond with `304` to a conditional request. */
function sendDetour({ status, headers, page }: Detour, response: Response): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (page !== undefined) response.type('html');
  response.status(status).end(page);
}

/** Returns the request id, or creates one if the request did not pass through the pipeline. */
function requestIdOf(request: Request): string {
  return String((request.id ??= randomUUID()));
}
