import { Inject, Injectable, Logger, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { BffError } from '../errors.ts';
import { type Coding, codings } from './built-files.ts';
import { type ClientScript, readClientScript } from './client-script.ts';
import { FRONTEND_OPTIONS, type FrontendRoomOptions } from './frontend.middleware.ts';

const best = Object.keys(codings) as Coding[];

/** How long a browser uses `client.js` without asking, in seconds. */
const maxAge = 60;

/**
 * Serves the browser client: `client.js`, which is revalidated after a minute, and
 * `client.<hash>.js`, which never changes. A hash of another version leads to `client.js`, because
 * while replicas are replaced a page may come from one and its script from another. Neither needs a
 * session or Redis.
 */
@Injectable()
export class ClientScriptMiddleware implements NestMiddleware {
  readonly #logger = new Logger(ClientScriptMiddleware.name);
  #script: Promise<ClientScript> | undefined;

  constructor(@Inject(FRONTEND_OPTIONS) private readonly options: FrontendRoomOptions) {}

  async use(request: Request, response: Response, next: NextFunction): Promise<void> {
    const { basePath } = this.options;
    const [path = ''] = request.originalUrl.split('?', 1);
    if (!path.startsWith(`${basePath}/client.`)) return next();
    const script = await this.#read();
    const immutable = `${basePath}/client.${script.hash}.js`;
    const isImmutable = path === immutable;
    if (!isImmutable && path !== `${basePath}/client.js`)
      return response.redirect(`${basePath}/client.js`);
    const coding = best.find((each) => request.acceptsEncodings(each) === each);
    response.set({
      'Content-Type': 'text/javascript; charset=utf-8',
      'Cache-Control': isImmutable
        ? 'public, max-age=31536000, immutable'
        : `public, max-age=${maxAge}`,
      // Weak, because it is the same for all codings (RFC 9110 §8.8.3.3).
      ETag: `W/"${script.hash}"`,
      Vary: 'Accept-Encoding',
      'Content-Location': immutable,
      ...(coding && { 'Content-Encoding': coding }),
    });
    response.send(coding ? script.compressed[coding] : script.plain);
  }

  async #read(): Promise<ClientScript> {
    const { clientScript, csrf } = this.options;
    try {
      return await (this.#script ??= readClientScript(clientScript, csrf));
    } catch (error) {
      this.#script = undefined;
      this.#logger.error({ msg: 'the browser client cannot be read', err: error });
      throw new BffError('not_found', { cause: error });
    }
  }
}
