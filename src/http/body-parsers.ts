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
