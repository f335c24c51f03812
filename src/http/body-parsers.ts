/**
 * Throws if the application has a body parser for all paths, as NestJS adds by default
 * (`bodyParser: false` prevents it). The parser would consume bodies that the proxy forwards: every
 * `POST` would reach its upstream empty, or hang.
 */
export function refuseBodyParsers({ router }: ExpressRouter): void {
  const parser = router?.stack?.find(({ name, slash }) => slash && parsers.has(name));
  if (!parser) return;
  throw new Error(
    'BffModule forwards request bodies as they are: create the application with { bodyParser: ' +
      'false }, and give your own controllers a parser of their own, app.use("/your-path", ' +
      'express.json()).',
  );
}

/** The part of an Express application that is read here. */
interface ExpressRouter {
  readonly router?: { readonly stack?: readonly Layer[] };
}

/**
 * A layer of Express's router, created by `use(path, middleware)`. `slash` means that it applies to
 * all paths.
 */
interface Layer {
  readonly name: string;
  /** Not in Express's own types. */
  readonly slash?: boolean;
}

const parsers = new Set(['jsonParser', 'urlencodedParser', 'rawParser', 'textParser']);
