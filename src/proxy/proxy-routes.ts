import type { RouteOptions } from '../config/options.ts';
import { AnswerHeaders } from './answer-headers.ts';
import { RequestHeaders } from './headers.ts';
import type { ProxyOptions } from './proxy-options.ts';
import { Routes } from './routes.ts';
import { openUpstream, type Upstream } from './upstream.ts';

/** One configured route with all it needs to be served. */
export interface ProxyRoute {
  readonly path: string;
  readonly options: RouteOptions;
  readonly upstream: Upstream;
  readonly requestHeaders: RequestHeaders;
  readonly answerHeaders: AnswerHeaders;
}

/** All routes, that of the frontend's server included, and the connections of each. */
export class ProxyRoutes {
  readonly #all: readonly ProxyRoute[];
  readonly #byPath: Routes<ProxyRoute>;

  /** Throws `ConfigurationError` for certificates that cannot be used. */
  constructor(options: ProxyOptions) {
    const { routes, frontendRoute, basePath } = options;
    const all = [...routes, ...(frontendRoute ? [frontendRoute] : [])];
    this.#all = all.map((route, index) => prepare(route, index, options));
    this.#byPath = new Routes(this.#all, basePath);
  }

  /** The route of a canonical path. Absent: the path is not proxied. */
  match(path: string): ProxyRoute | undefined {
    return this.#byPath.match(path);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map(({ upstream }) => upstream.close()));
  }
}

/** What does not change from one request to the next. */
function prepare(
  options: RouteOptions,
  index: number,
  { publicUrl, csrf, ourCookies, answerHeaders, frontendRoute }: ProxyOptions,
): ProxyRoute {
  const { set, remove, pass } = options.headers;
  const isPersonal = options.token !== 'none';
  const ours = options === frontendRoute ? answerHeaders.page : answerHeaders.other;
  return {
    path: options.path,
    options,
    upstream: openUpstream(options, index),
    requestHeaders: new RequestHeaders({
      publicUrl,
      csrfHeader: csrf.header,
      ourCookies,
      set: Object.keys(set),
      remove,
      pass,
    }),
    answerHeaders: new AnswerHeaders({ ours, ourCookies, isPersonal }),
  };
}
