import { Counter, Histogram, type Registry } from 'prom-client';
import { isBelow } from '../http/path-prefix.ts';

/** The part of the BFF that responds: an endpoint, a configured route or the frontend. */
type Kind = 'endpoint' | 'route' | 'frontend';

/** A request whose response has ended. */
export interface AnsweredRequest {
  readonly method: string;
  /** Includes the query. */
  readonly url: string;
  /** The configured path of the route that handled the request, if one did. */
  readonly route?: string | undefined;
  /** The path pattern of the endpoint that handled the request, for example `/bff/sessions/:id`. */
  readonly endpoint?: string | undefined;
  /** `undefined` if the client disconnected before the response. */
  readonly status?: number | undefined;
  readonly seconds: number;
}

/** Methods counted as `read`; all others are `write`. */
const reading = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Upper bounds of the buckets in seconds, from a response from memory to the usual timeout of a
 * route.
 */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

type Requests = Counter<'kind' | 'route' | 'method' | 'status'>;
type Durations = Histogram<'kind' | 'route'>;

/** Counts requests by the part of the BFF that responded. */
export class RequestCounts {
  readonly #requests: Requests;
  readonly #durations: Durations;
  readonly #routes: ReadonlyMap<string, Counts>;
  readonly #endpoints = new Map<string, Counts>();
  readonly #frontend: Counts;

  /** `routes` are the configured paths. A frontend on another server is not one of them. */
  constructor(
    routes: readonly string[],
    private readonly basePath: string,
    registry: Registry,
  ) {
    this.#requests = new Counter({
      name: 'pixie_http_requests_total',
      help: 'Requests answered, by who answered them.',
      labelNames: ['kind', 'route', 'method', 'status'],
      registers: [registry],
      collect: () => this.#report(),
    });
    this.#durations = new Histogram({
      name: 'pixie_http_request_duration_seconds',
      help: 'Time from a request to the end of its answer, by who answered it.',
      labelNames: ['kind', 'route'],
      buckets,
      registers: [registry],
    });
    this.#routes = new Map(routes.map((path) => [path, this.#countsFor('route', path)]));
    this.#frontend = this.#countsFor('frontend', '');
  }

  note(answered: AnsweredRequest): void {
    this.#countsOf(answered).note(answered);
  }

  #report(): void {
    const all = [...this.#routes.values(), ...this.#endpoints.values(), this.#frontend];
    for (const counts of all) counts.report();
  }

  #countsFor(kind: Kind, route: string): Counts {
    return new Counts({ kind, route }, this.#requests, this.#durations);
  }

  #countsOf({ route, endpoint, url }: AnsweredRequest): Counts {
    const ofRoute = route === undefined ? undefined : this.#routes.get(route);
    if (ofRoute) return ofRoute;
    const isOurs = route === undefined && isBelowUrl(url, this.basePath);
    return isOurs ? this.#ofEndpoint(endpoint) : this.#frontend;
  }

  /**
   * Returns the counts of an endpoint. Patterns come from our code, so their number is bounded.
   * Requests that no endpoint handled share an empty pattern.
   */
  #ofEndpoint(pattern: string | undefined): Counts {
    const name = pattern !== undefined && isBelow(pattern, this.basePath) ? pattern : '';
    const known = this.#endpoints.get(name);
    if (known) return known;
    const counts = this.#countsFor('endpoint', name);
    this.#endpoints.set(name, counts);
    return counts;
  }
}

/**
 * The requests of one part of the BFF. They are counted here first and passed on to `prom-client`
 * when metrics are collected, because its counter with labels takes many times as long (decision
 * 30).
 */
class Counts {
  readonly #labels: { readonly kind: Kind; readonly route: string };
  readonly #requests: Requests;
  readonly #durations: Histogram.Internal<'kind' | 'route'>;
  /** New requests. Keys combine the status and the kind of method in one number. */
  readonly #byAnswer = new Map<number, number>();

  constructor(labels: { kind: Kind; route: string }, requests: Requests, durations: Durations) {
    this.#labels = labels;
    this.#requests = requests;
    durations.zero(labels);
    this.#durations = durations.labels(labels);
  }

  note({ method, status = 0, seconds }: AnsweredRequest): void {
    const key = status * 2 + (reading.has(method) ? 0 : 1);
    this.#byAnswer.set(key, (this.#byAnswer.get(key) ?? 0) + 1);
    this.#durations.observe(seconds);
  }

  report(): void {
    for (const [key, count] of this.#byAnswer) {
      const method = key % 2 === 0 ? 'read' : 'write';
      const status = key < 2 ? 'aborted' : String(Math.floor(key / 2));
      this.#requests.inc({ ...this.#labels, method, status }, count);
      this.#byAnswer.set(key, 0);
    }
  }
}

/** Like `isBelow`, but for a URL that still has its query. */
function isBelowUrl(url: string, prefix: string): boolean {
  if (!url.startsWith(prefix)) return false;
  const next = url[prefix.length];
  return next === undefined || next === '/' || next === '?';
}
