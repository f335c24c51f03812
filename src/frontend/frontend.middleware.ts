import { extname } from 'node:path';
import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { isBelow } from '../http/path-prefix.ts';
import type { PublicPaths } from '../http/public-paths.ts';
import { BffError } from '../errors.ts';
import { type BuiltFile, BuiltFiles } from './built-files.ts';
import type { CsrfHeader } from './client-script.ts';
import { isNavigation } from '../http/navigation.ts';
import { SignedOutNavigationService } from '../session/navigation/signed-out-navigation.service.ts';
import { SessionReaderService } from '../session/sessions/session-reader.service.ts';

/** Injects `FrontendRoomOptions`. */
export const FRONTEND_OPTIONS = Symbol('frontend options');

/** The part of the configuration that the frontend uses. */
export interface FrontendRoomOptions {
  readonly basePath: string;
  /**
   * Directory of a built single-page application. `undefined` if another server serves the frontend
   * or there is none.
   */
  readonly directory?: string | undefined;
  /** The header that the browser client adds to its calls. */
  readonly csrf: CsrfHeader;
  /** The file of the built browser client. */
  readonly clientScript: URL;
  /**
   * Whether requests without a file are passed on to a host application. Otherwise they get
   * `not_found` or `method_not_allowed`.
   */
  readonly passesOn: boolean;
  /** What signed-out users may see. `undefined` if they may see everything. */
  readonly publicPaths?: PublicPaths | undefined;
}

/**
 * Matches names with a content hash (`app-4f3a9c21.js`, `app.B7xk2Qp9.css`), whose content never
 * changes. Must not match dates or words (`report-20240101.pdf`, `bootstrap-datepicker3.css`): a
 * file that is cached for a year cannot be recalled.
 */
const hashedName =
  /[-.]((?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}|(?=[A-Za-z_]*\d)(?=[a-z0-9_]*[A-Z])\w{8,})\.\w+$/;

/**
 * Serves a built single-page application: its files, precompressed if there is a `.br` or `.gz`
 * variant, and `index.html` for page navigations without a file, because the application has its
 * own routing.
 */
@Injectable()
export class FrontendMiddleware implements NestMiddleware {
  readonly #files: BuiltFiles | undefined;

  constructor(
    @Inject(FRONTEND_OPTIONS) private readonly options: FrontendRoomOptions,
    private readonly sessions: SessionReaderService,
    private readonly navigations: SignedOutNavigationService,
  ) {
    this.#files = options.directory === undefined ? undefined : new BuiltFiles(options.directory);
  }

  async use(request: Request, response: Response, next: NextFunction): Promise<void> {
    const [rawPath = ''] = request.originalUrl.split('?', 1);
    // The proxy has already refused paths that cannot be decoded.
    const path = decodeURIComponent(rawPath);
    const { basePath, directory, passesOn } = this.options;
    if (!this.#files || directory === undefined || isBelow(path, basePath)) return next();
    const accepts = (coding: string) => request.acceptsEncodings(coding) === coding;
    const published = await this.#publicFile(this.#files, path, request, accepts);
    if (!published && this.#isProtectedFrom(request, path)) await this.#requireSession(request);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      if (passesOn) return next();
      throw new BffError('method_not_allowed', { headers: { Allow: 'GET, HEAD' } });
    }
    const file =
      published ??
      (await this.#files.find(path, accepts)) ??
      (isNavigation(request) ? await this.#files.find('/', accepts) : undefined);
    if (!file && passesOn) return next();
    if (!file) throw new BffError('not_found');
    await sendBuiltFile(response, directory, file, this.#isProtected && !published);
  }

  get #isProtected(): boolean {
    return this.options.publicPaths !== undefined;
  }

  /**
   * Whether a request for a path without a public file needs a session. At a public path only a
   * page navigation does, because the response would be `index.html`.
   */
  #isProtectedFrom(request: Request, path: string): boolean {
    return isNavigation(request) || !this.options.publicPaths?.includes(path);
  }

  /**
   * Finds the file that a protected frontend sends without a sign-in: that of a public path, or
   * `index.html` for the path of `errorUrl`.
   */
  async #publicFile(
    files: BuiltFiles,
    path: string,
    request: Request,
    accepts: (coding: string) => boolean,
  ): Promise<BuiltFile | undefined> {
    const { publicPaths } = this.options;
    if (!publicPaths?.includes(path)) return undefined;
    const file = await files.find(path, accepts);
    if (file || !publicPaths.isErrorPage(path) || !isNavigation(request)) return file;
    return files.find('/', accepts);
  }

  /** Throws `not_signed_in` or `session_store_unavailable` if the frontend is protected. */
  async #requireSession(request: Request): Promise<void> {
    if (!this.#isProtected || (await this.sessions.read(request.headers.cookie))) return;
    throw this.navigations.notSignedIn(request, `${this.options.basePath}/login`);
  }
}

/** Sends a file. Express handles ranges and conditional requests (RFC 9110 §13, §14). */
async function sendBuiltFile(
  response: Response,
  root: string,
  { name, source, coding, etag }: BuiltFile,
  isPrivate: boolean,
): Promise<void> {
  response.type(extname(name) || 'application/octet-stream');
  response.set({
    ETag: etag,
    ...cachingOf(name, isPrivate),
    ...(coding && { 'Content-Encoding': coding }),
  });
  const error = await new Promise<SendError | undefined>((resolve) => {
    // Image builds give all files the same modification time, so only the ETag is sent.
    const options = { root, dotfiles: 'allow', cacheControl: false, lastModified: false } as const;
    response.sendFile(source, options, (failure) => resolve(failure as SendError | undefined));
  });
  // A browser that disconnects during a download is not an error.
  if (error && error.code !== 'ECONNABORTED' && !response.closed) refuse(response, error);
}

/**
 * The caching headers of a file. A shared cache must not store a private file. Files whose name has
 * no content hash are revalidated before each use.
 */
function cachingOf(name: string, isPrivate: boolean): Record<string, string> {
  const isHashed = hashedName.test(name);
  const rule = isHashed ? 'max-age=31536000, immutable' : 'no-cache';
  if (!isPrivate)
    return { Vary: 'Accept-Encoding', 'Cache-Control': isHashed ? `public, ${rule}` : rule };
  const vary = isHashed ? 'Accept-Encoding' : 'Accept-Encoding, Cookie';
  return { Vary: vary, 'Cache-Control': `private, ${rule}` };
}

/** An error of `response.sendFile`. */
interface SendError extends Error {
  readonly status?: number;
  readonly code?: string;
}

/**
 * Throws `not_found` for a file that has just been removed, `internal_error` for other failures.
 * Sends `416` or `412` for an unsatisfiable range or a failed condition.
 */
function refuse(response: Response, cause: SendError): void {
  for (const name of ['ETag', 'Vary', 'Content-Type', 'Content-Encoding', 'Content-Length']) {
    if (!response.headersSent) response.removeHeader(name);
  }
  if (cause.status === 416 || cause.status === 412) {
    return void response.status(cause.status).set('Cache-Control', 'no-store').end();
  }
  throw new BffError(cause.status === 404 ? 'not_found' : 'internal_error', { cause });
}
