import { type NestMiddleware, RequestMethod } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';
import type { Application, ErrorRequestHandler } from 'express';
import { indexOfBodyParser } from './body-parsers.ts';
import { isBelow } from './path-prefix.ts';
import type { ProblemFilter } from './problem.filter.ts';

/** An Express method and a path. `use` means every method and every path below. */
type Endpoint = readonly [method: 'get' | 'post' | 'all' | 'use', path: string];

/** One middleware of the pipeline and its endpoints. Without endpoints it runs for all requests. */
export interface PipelineStep {
  readonly middleware: NestMiddleware;
  readonly endpoints?: readonly Endpoint[];
}

const everything: readonly Endpoint[] = [['use', '/']];

/**
 * Mounts the steps in order, directly on the Express application. `MiddlewareConsumer` would mount
 * them below the global prefix of a host application, where they would not receive requests to
 * endpoints, routes or the frontend. The steps are inserted before body parsers that the
 * application already has, because the proxy forwards bodies unparsed. `problems` responds to
 * errors that a step throws.
 */
export function mountPipeline(
  app: Application,
  steps: readonly PipelineStep[],
  problems: ProblemFilter,
): void {
  const { stack } = app.router;
  const before = stack.length;
  for (const { middleware, endpoints = everything } of steps) {
    for (const [method, path] of endpoints) app[method](path, middleware.use.bind(middleware));
  }
  const respond: ErrorRequestHandler = (error, request, response, _next) =>
    problems.respond(error, request, response);
  app.use(respond);
  const parser = indexOfBodyParser(stack.slice(0, before));
  if (parser >= 0) stack.splice(parser, 0, ...stack.splice(before));
}

/**
 * Excludes the endpoints below `basePath` from the global prefix of a host application. `ownPaths`
 * are the path prefixes that the BFF serves. Throws if the global prefix is below one of them,
 * because the BFF would then respond to all requests to the application's controllers.
 */
export function exemptFromGlobalPrefix(
  config: ApplicationConfig,
  basePath: string,
  endpointNames: readonly string[],
  ownPaths: readonly string[],
): void {
  const prefix = `/${config.getGlobalPrefix()}`.replace(/^\/\/+/, '/').toLowerCase();
  const owner =
    prefix === '/' ? undefined : ownPaths.find((path) => isBelow(prefix, path.toLowerCase()));
  if (owner !== undefined)
    throw new Error(
      `setGlobalPrefix() puts all controllers below ${prefix}, which the BFF has for ${owner}: ` +
        'none of them could be reached. Choose another prefix, basePath or route.',
    );
  const { exclude = [], ...options } = config.getGlobalPrefixOptions();
  const base = basePath.replace(/[^\w/-]/g, '\\$&');
  const ours = {
    path: `${basePath}/{*path}`,
    pathRegex: new RegExp(`^${base}/(?:${endpointNames.join('|')})(?:/|$)`),
    requestMethod: RequestMethod.ALL,
  };
  config.setGlobalPrefixOptions({ ...options, exclude: [...exclude, ours] });
}

/**
 * Throws if a controller of the host application is at or below `basePath`, where it would be
 * unreachable or replace an endpoint. `methodsOf` returns the methods of an endpoint of the BFF, or
 * `undefined` for other names. `layers` are the router layers that NestJS mounted after the
 * pipeline.
 */
export function refuseControllersBelow(
  basePath: string,
  methodsOf: (endpoint: string) => readonly string[] | undefined,
  layers: Application['router']['stack'],
): void {
  const seen = new Set<string>();
  for (const { route } of layers) {
    if (!route || !isBelow(route.path.toLowerCase(), basePath.toLowerCase())) continue;
    const isOurs = methodsOf(route.path.slice(basePath.length + 1)) !== undefined;
    for (const { method } of route.stack) {
      const name = `${method} ${route.path}`;
      if (isOurs && !seen.has(name)) seen.add(name);
      else
        throw new Error(
          `A controller of the application is at ${route.path}, but everything below ` +
            `${basePath} belongs to the BFF. Move the controller, or give the BFF another ` +
            'basePath.',
        );
    }
  }
}
