import { isBelow } from '../http/path-prefix.ts';
import { Durations, type Metric, type Sample } from './metric.ts';

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

const requests = 'pixie_http_requests_total';
const durations = 'pixie_http_request_duration_seconds';

/** Methods counted as `read`; all others are `write`. */
const reading = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Counts requests by the part of the BFF that responded. */
export class RequestCounts {
  readonly #routes: ReadonlyMap<string, Counts>;
  readonly #endpoints = new Map<string, Counts>();
  readonly #frontend = new Counts('frontend', '');

  /** `routes` are the configured paths. A frontend on another server is not one of them. */
  constructor(
    routes: readonly string[],
    private readonly basePath: string,
  ) {
    this.#routes = new Map(routes.map((path) => [path, new Counts('route', path)]));
  }

  note(answered: AnsweredRequest): void {
    this.#countsOf(answered).note(answered);
  }

  figures(): Metric[] {
    const all = [...this.#routes.values(), ...this.#endpoints.values(), this.#frontend];
    const help = 'Requests answered, by who answered them.';
    const time = 'Time from a request to the end of its answer, by who answered it.';
    return [
      figure(
        requests,
        help,
        'counter',
        all.flatMap((counts) => counts.answers()),
      ),
      figure(
        durations,
        time,
        'histogram',
        all.flatMap((counts) => counts.durations()),
      ),
    ];
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
    const counts = new Counts('endpoint', name);
    this.#endpoints.set(name, counts);
    return counts;
  }
}

class Counts {
  readonly #labels: { readonly kind: Kind; readonly route: string };
  /** Keys combine the status and the kind of method in one number. */
  readonly #byAnswer = new Map<number, number>();
  readonly #durations = new Durations();

  constructor(kind: Kind, route: string) {
    this.#labels = { kind, route };
  }

  note({ method, status = 0, seconds }: AnsweredRequest): void {
    const key = status * 2 + (reading.has(method) ? 0 : 1);
    this.#byAnswer.set(key, (this.#byAnswer.get(key) ?? 0) + 1);
    this.#durations.note(seconds);
  }

  answers(): Sample[] {
    return [...this.#byAnswer].map(([key, value]) => {
      const method = key % 2 === 0 ? 'read' : 'write';
      const status = key < 2 ? 'aborted' : String(Math.floor(key / 2));
      return { labels: { ...this.#labels, method, status }, value };
    });
  }

  durations(): Sample[] {
    return this.#durations.samples(durations, this.#labels);
  }
}

function figure(name: string, help: string, type: Metric['type'], values: Sample[]): Metric {
  return { name, help, type, aggregator: 'sum', values };
}

/** Like `isBelow`, but for a URL that still has its query. */
function isBelowUrl(url: string, prefix: string): boolean {
  if (!url.startsWith(prefix)) return false;
  const next = url[prefix.length];
  return next === undefined || next === '/' || next === '?';
}
