import type { NestMiddleware } from '@nestjs/common';
import type { Application, NextFunction, Request, Response } from 'express';
import type { ProblemFilter } from './problem.filter.ts';

/** A layer of Express's router, as far as it is read here. `match` is not in Express's own types. */
interface Layer {
  readonly route?: unknown;
  readonly match: (path: string) => unknown;
}

/** A path that only a layer for all paths matches. */
const noPath = '/\u{1F9DA}';

/**
 * Whether a router layer of the application is for this path: a controller, or a handler with a
 * path of its own. Middleware for all paths does not count. Only layers from the index `first` on
 * are considered, by default all.
 */
export function isTaken({ router }: Application, path: string, first = 0): boolean {
  const layers = router.stack.slice(first) as unknown as readonly Layer[];
  return layers.some((layer) => layer.match(path) && (layer.route ?? !layer.match(noPath)));
}

/**
 * Mounts a middleware for the requests that nothing else in the host application has: neither its
 * controllers, mounted before, nor anything for a path of its own that is mounted later, such as
 * another module's `onModuleInit`, an API description, or the not-found handler of a global prefix.
 * `problems` responds to the errors of this middleware alone, the host to all others.
 */
export function mountFallback(
  app: Application,
  middleware: NestMiddleware,
  problems: ProblemFilter,
): void {
  const first = app.router.stack.length + 1;
  app.use((request, response, next) => {
    if (isTaken(app, request.path, first)) return next();
    void run(middleware, request, response, (failure?: unknown) => {
      if (failure === undefined) next();
      else problems.respond(failure, request, response);
    });
  });
}

async function run(
  middleware: NestMiddleware,
  request: Request,
  response: Response,
  next: NextFunction,
): Promise<void> {
  try {
    await middleware.use(request, response, next);
  } catch (failure) {
    next(failure);
  }
}
