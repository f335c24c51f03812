import { type NestMiddleware, RequestMethod } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';
import type { Application, ErrorRequestHandler } from 'express';
import type { ProblemFilter } from './problem.filter.ts';

/** An Express method and a path. `use` means every method and every path below. */
type Endpoint = readonly [method: 'get' | 'post' | 'all' | 'use', path: string];

/** One middleware of the pipeline, and the endpoints it is for. It is for all requests if none is named. */
export interface PipelineStep {
  readonly middleware: NestMiddleware;
  readonly endpoints?: readonly Endpoint[];
}

const everything: readonly Endpoint[] = [['use', '/']];

/**
 * Mounts the steps in their order, on the Express application itself. `MiddlewareConsumer` would mount them below the global
 * prefix of a host application, where no request to an endpoint, a route or the frontend would meet them. `problems` responds
 * to what a step throws.
 */
export function mountPipeline(
  app: Application,
  steps: readonly PipelineStep[],
  problems: ProblemFilter,
): void {
  for (const { middleware, endpoints = everything } of steps) {
    for (const [method, path] of endpoints) app[method](path, middleware.use.bind(middleware));
  }
  const respond: ErrorRequestHandler = (error, request, response, _next) =>
    problems.respond(error, request, response);
  app.use(respond);
}

/** Keeps the endpoints below `basePath` where they are in a host application with a global prefix. */
export function exemptFromGlobalPrefix(config: ApplicationConfig, basePath: string): void {
  const { exclude = [], ...options } = config.getGlobalPrefixOptions();
  const ours = {
    path: `${basePath}/{*path}`,
    pathRegex: new RegExp(`^${basePath.replace(/[^\w/-]/g, '\\$&')}/`),
    requestMethod: RequestMethod.ALL,
  };
  config.setGlobalPrefixOptions({ ...options, exclude: [...exclude, ours] });
}
