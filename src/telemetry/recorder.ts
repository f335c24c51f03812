import type { ErrorCode } from '../errors.ts';
import { Counter, type Metric, gauge } from './metric.ts';
import { countDroppedLines, droppedLinesCounter } from './dropped-lines.ts';
import type { LineStream } from './standard-output.ts';
import { type AnsweredRequest, RequestCounts } from './request-counts.ts';

/** The configured names that can be label values. */
export interface RecordedNames {
  readonly basePath: string;
  readonly routes: readonly string[];
  readonly providers: readonly string[];
}

/** Who ended a session. `user` is the session's own user, in any browser. */
export type EndedBy = 'user' | 'backchannel' | 'frontchannel' | 'operator';

const endings: readonly EndedBy[] = ['user', 'backchannel', 'frontchannel', 'operator'];
const refreshOutcomes = ['refreshed', 'ended', 'failed', 'refused'] as const;
const upstreamCodes: readonly ErrorCode[] = ['upstream_unreachable', 'upstream_timeout'];

/**
 * Counts events for `/metrics`. Label values come from the configuration and from our own tables,
 * so their number is bounded and they contain nothing about users.
 */
export class Recorder {
  readonly #requests: RequestCounts;
  readonly #problems = new Counter('pixie_problems_total', 'Errors answered, by code.', ['code']);
  readonly #upstreamFailures = new Counter(
    'pixie_upstream_failures_total',
    'Calls an upstream did not answer, by route and code.',
    ['route', 'code'],
  );
  readonly #started = new Counter(
    'pixie_sign_ins_started_total',
    'Browsers sent to an authorization server.',
    ['provider'],
  );
  readonly #completed = new Counter(
    'pixie_sign_ins_completed_total',
    'Sign-ins that became a session.',
    ['provider'],
  );
  readonly #failed = new Counter(
    'pixie_sign_ins_failed_total',
    'Sign-ins that did not begin or did not become a session, by code.',
    ['provider', 'code'],
  );
  readonly #refreshes = new Counter(
    'pixie_refreshes_total',
    'Token requests that renew access tokens, by outcome; with `ended` the provider ended the session, with `refused` a route got no token of its own.',
    ['provider', 'outcome'],
  );
  readonly #ended = new Counter('pixie_sign_outs_total', 'Sessions ended, by whom.', ['by']);
  readonly #redisLost = new Counter(
    'pixie_redis_connections_lost_total',
    'How often the connection to Redis was lost.',
  );
  readonly #droppedLines = droppedLinesCounter();
  /** `undefined` before the first connection or failure, or without Redis. */
  #isRedisConnected: boolean | undefined;

  constructor({ basePath, routes, providers }: RecordedNames) {
    this.#requests = new RequestCounts(routes, basePath);
    for (const provider of providers) {
      for (const counter of [this.#started, this.#completed]) counter.add([provider], 0);
      for (const outcome of refreshOutcomes) this.#refreshes.add([provider, outcome], 0);
    }
    for (const route of routes)
      for (const code of upstreamCodes) this.#upstreamFailures.add([route, code], 0);
    for (const by of endings) this.#ended.add([by], 0);
  }

  request(answered: AnsweredRequest): void {
    this.#requests.note(answered);
  }

  /** Counts an error response. `route` is the path of the requested route, if there is one. */
  problem(code: ErrorCode, route = ''): void {
    this.#problems.add([code]);
    if (upstreamCodes.includes(code)) this.#upstreamFailures.add([route, code]);
  }

  signInStarted(provider: string): void {
    this.#started.add([provider]);
  }

  signInCompleted(provider: string): void {
    this.#completed.add([provider]);
  }

  signInFailed(provider: string, code: ErrorCode): void {
    this.#failed.add([provider, code]);
  }

  refreshed(provider: string, outcome: (typeof refreshOutcomes)[number]): void {
    this.#refreshes.add([provider, outcome]);
  }

  sessionsEnded(by: EndedBy, sessions: number): void {
    this.#ended.add([by], sessions);
  }

  redis(state: 'connected' | 'lost'): void {
    this.#isRedisConnected = state === 'connected';
    this.#redisLost.add([], state === 'lost' ? 1 : 0);
  }

  /** Counts the lines that the log of this process drops. */
  watchLog(log: LineStream): void {
    countDroppedLines(log, this.#droppedLines);
  }

  figures(): Metric[] {
    const counters = [
      this.#droppedLines,
      this.#problems,
      this.#upstreamFailures,
      this.#started,
      this.#completed,
      this.#failed,
      this.#refreshes,
      this.#ended,
    ].map((counter) => counter.figure());
    return [...this.#requests.figures(), ...counters, ...this.#redisFigures()];
  }

  #redisFigures(): Metric[] {
    if (this.#isRedisConnected === undefined) return [];
    const help = 'Whether Redis is connected: 1, or 0; of several processes the worst.';
    const state = gauge('pixie_redis_connected', help, this.#isRedisConnected ? 1 : 0, 'min');
    return [state, this.#redisLost.figure()];
  }
}
