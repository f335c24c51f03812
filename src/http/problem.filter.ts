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
import { BffError, type ErrorCode } from '../errors.ts';
import { isNavigation } from './navigation.ts';

/** Injects `ProblemOptions`. */
export const PROBLEM_OPTIONS = Symbol('problem options');

/** The slice of the configuration the answers depend on. */
export interface ProblemOptions {
  readonly basePath: string;
  readonly defaultReturnUrl: string;
  /**
   * Where page navigations to our endpoints are sent with `?code=`. Absent: they get a page of
   * ours.
   */
  readonly errorUrl?: string | undefined;
  /** Told of every error that becomes an answer. Absent: nobody is. */
  readonly listener?: ProblemListener;
}

/** Hears of an error, by its code and the path of the route that was asked; absent: none was. */
export type ProblemListener = (code: ErrorCode, route: string | undefined) => void;

/** After these, signing in (again) is the way on; after the others, going back is. */
const mendedBySigningIn = new Set<ErrorCode>([
  'not_signed_in',
  'step_up_required',
  'login_expired',
  'login_denied',
  'login_failed',
  'provider_unavailable',
]);

/**
 * The only place where an error becomes a response: `application/problem+json` (RFC 9457), or for a
 * page navigation a small page or a redirect to `errorUrl`. Nothing of the cause is shown.
 */
@Injectable()
@Catch(BffError)
export class ProblemFilter implements ExceptionFilter<BffError> {
  readonly #logger = new Logger(ProblemFilter.name);

  constructor(@Inject(PROBLEM_OPTIONS) private readonly options: ProblemOptions) {}

  catch(error: BffError, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.respond(error, http.getRequest<Request>(), http.getResponse<Response>());
  }

  /** Sends the response for any error. A foreign error is mapped to a `BffError` by its status. */
  respond(failure: unknown, request: Request, response: Response): void {
    const error = failure instanceof BffError ? failure : translate(failure);
    this.#log(error, response);
    if (!response.closed) this.options.listener?.(error.code, request.takenBy);
    // An answer that has begun cannot become another one; breaking it off says that it is not
    // whole.
    if (response.headersSent) return void response.destroy();
    response.setHeader('Cache-Control', 'no-store');
    for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
    if (this.#isSeen(request)) this.#answerPage(error, request, response);
    else this.#answerProblem(error, request, response);
  }

  /** Whether a person sees the answer; also that to a provider's answer in a form. */
  #isSeen({ method, headers, originalUrl }: Request): boolean {
    const isCallback = originalUrl.startsWith(`${this.options.basePath}/callback`);
    return isNavigation({ method: isCallback && method === 'POST' ? 'GET' : method, headers });
  }

  #answerProblem(error: BffError, request: Request, response: Response): void {
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

  #answerPage(error: BffError, request: Request, response: Response): void {
    const { basePath, defaultReturnUrl, errorUrl } = this.options;
    const { code, status, message: sentence } = error;
    if (errorUrl && request.originalUrl.startsWith(`${basePath}/`)) {
      const found = request.method === 'POST' ? 303 : 302;
      return response.redirect(
        found,
        `${errorUrl}${errorUrl.includes('?') ? '&' : '?'}code=${code}`,
      );
    }
    const link = mendedBySigningIn.has(code)
      ? { href: error.extensions['loginUrl'] ?? `${basePath}/login`, label: 'Sign in' }
      : { href: defaultReturnUrl, label: 'Back to the application' };
    response.setHeader('Content-Security-Policy', errorPagePolicy);
    const page = renderErrorPage({ status, code, sentence, link, requestId: requestIdOf(request) });
    response.status(status).type('html').send(page);
  }

  #log(error: BffError, response: Response): void {
    const { code, cause } = error;
    // Whoever went away ended the work for it; that is no failure of ours.
    if (response.closed)
      return this.#logger.debug({ msg: code, code, reason: 'the client went away' });
    if (error.status >= 500) return this.#logger.error({ msg: code, code, err: error });
    // A client's mistake needs its reason in the log, not our stack.
    this.#logger.log({
      msg: code,
      code,
      reason: cause instanceof Error ? cause.message : undefined,
    });
  }
}

/**
 * For a server of our own: what Nest and Express throw speaks the same language. A host application
 * keeps its own filters.
 */
@Catch()
export class UnexpectedErrorFilter implements ExceptionFilter {
  constructor(private readonly problems: ProblemFilter) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.problems.respond(error, http.getRequest<Request>(), http.getResponse<Response>());
  }
}

/** The text of a refusal by Nest quotes the address with its query, so it is no cause we keep. */
function translate(error: unknown): BffError {
  const status = error instanceof HttpException ? error.getStatus() : 500;
  if (status >= 500) return new BffError('internal_error', { cause: error });
  if (status === 404) return new BffError('not_found');
  return new BffError(status === 413 ? 'body_too_large' : 'invalid_request');
}

/** Every request has one by now, unless a host application takes it past our pipeline. */
function requestIdOf(request: Request): string {
  return String((request.id ??= randomUUID()));
}
