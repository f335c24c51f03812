import type { Application, RequestHandler } from 'express';
import { isBelow } from './path-prefix.ts';

/** A layer of Express's router, created by `use(path, middleware)`. */
interface Layer {
  readonly name: string;
  /** Whether the layer applies to all paths. Not in Express's own types. */
  readonly slash?: boolean;
}

const parsers = new Set(['jsonParser', 'urlencodedParser', 'rawParser', 'textParser']);

/**
 * Returns the index of the first body parser for all paths among the layers of an Express router,
 * `-1` if there is none. NestJS adds such parsers by default. A body that a parser has read cannot
 * be forwarded any more.
 */
export function indexOfBodyParser(layers: readonly Layer[]): number {
  return layers.findIndex(({ name, slash }) => slash && parsers.has(name));
}

/**
 * Makes the body parsers among the layers of an Express router ignore requests at or below
 * `basePath`. The endpoints there read bodies themselves, with limits of their own.
 */
export function exemptFromBodyParsers(
  layers: Application['router']['stack'],
  basePath: string,
): void {
  for (const layer of layers) {
    if (!parsers.has(layer.name)) continue;
    const parse = layer.handle as RequestHandler;
    const parseOthers: RequestHandler = (request, response, next) =>
      isBelow(request.originalUrl.split('?', 1)[0] ?? '', basePath)
        ? next()
        : parse(request, response, next);
    // NestJS recognises the parsers of an application by the names of their functions.
    layer.handle = Object.defineProperty(parseOthers, 'name', { value: parse.name });
  }
}
