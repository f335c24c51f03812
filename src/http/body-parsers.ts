/**
 * A body parser in front of the proxy eats what is to be forwarded: every `POST` would reach its
 * upstream empty, or hang. Throws when the application has one for all paths, as NestJS does unless
 * it is told `bodyParser: false`.
 */
export function refuseBodyParsers({ router }: ExpressRouter): void {
  const parser = router?.stack?.find(({ name, slash }) => slash && parsers.has(name));
  if (!parser) return;
  throw new Error(
    'BffModule forwards request bodies as they are: create the application with { bodyParser: false }, and give your own controllers a parser of their own, app.use("/your-path", express.json()).',
  );
}

/** An Express application, as far as it matters here. */
interface ExpressRouter {
  readonly router?: { readonly stack?: readonly Layer[] };
}

/**
 * What Express's router keeps of `use(path, middleware)`: `slash` says that it is for all paths.
 */
interface Layer {
  readonly name: string;
  /** Not in Express's own types. */
  readonly slash?: boolean;
}

const parsers = new Set(['jsonParser', 'urlencodedParser', 'rawParser', 'textParser']);
