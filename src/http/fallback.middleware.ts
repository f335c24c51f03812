import type { NestMiddleware } from '@nestjs/common';
import type { Application, NextFunction, Request, Response } from 'express';
import type { ProblemFilter } from './problem.filter.ts';

/** The part of an Express router layer that is used here. `match` is not in Express's own types. */
interface Layer {
  readonly route?: unknown;
  readonly match: (path: string) => unknown;
}

/** A path that only matches layers for all paths. */
const noPath = '/\u{1F9DA}';

/**
 * Whether the application has a router layer for this path: a controller, or a handler with a path
 * of its own. Middleware for all paths does not count. `first` is the index of the first layer to
 * consider, by default 0.
 */
export function isTaken({ router }: Application, path: string, first = 0): boolean {
  const layers = router.stack.slice(first) as unknown as readonly Layer[];
  return layers.some((layer) => layer.match(path) && (layer.route ?? !layer.match(noPath)));
}

/**
 * Mounts a middleware for the requests that the host application does not handle itself. Its
 * controllers are mounted before this middleware. Handlers with a path of their own take precedence
 * even if they are mounted later, for example in `onModuleInit` of another module, by an API
 * description, or as the not-found handler of a global prefix. `problems` responds to the errors of
 * this middleware only. The host application responds to all other errors.
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
