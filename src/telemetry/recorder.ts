import { Counter, Gauge, Registry } from 'prom-client';
import type { ErrorCode } from '../errors.ts';
import { type CacheMetrics, reportCache } from './cache-metrics.ts';
import { countDroppedLines } from './dropped-lines.ts';
import type { ProcessMetrics } from './metrics.ts';
import { type AnsweredRequest, RequestCounts } from './request-counts.ts';
import type { LineStream } from './standard-output.ts';

/** The configured names that can be label values. */
export interface RecordedNames {
  readonly basePath: string;
  readonly routes: readonly string[];
  readonly providers: readonly string[];
  /** Where rules refuse users, with the number of rules there. */
  readonly rules?: readonly (readonly [at: string, rules: number])[];
}

/** Who ended a session. `user` is the session's own user, in any browser. */
export type EndedBy = 'user' | 'backchannel' | 'frontchannel' | 'operator' | 'application';

const endings: readonly EndedBy[] = [
  'user',
  'backchannel',
  'frontchannel',
  'operator',
  'application',
];
const refreshOutcomes = ['refreshed', 'ended', 'failed', 'refused'] as const;
const claimOutcomes = ['read', 'ended', 'failed'] as const;
const hookOutcomes = ['claims', 'refused', 'unavailable'] as const;
const upstreamCodes: readonly ErrorCode[] = ['upstream_unreachable', 'upstream_timeout'];

/**
 * Counts events for `/metrics`. Label values come from the configuration and from our own tables,
 * so their number is bounded and they contain nothing about users.
 */
export class Recorder {
  readonly #registry = new Registry();
  readonly #requests: RequestCounts;
  readonly #problems = this.#counter('problems', 'Errors answered, by code.', ['code']);
  readonly #upstreamFailures = this.#counter(
    'upstream_failures',
    'Calls an upstream did not answer, by route and code.',
    ['route', 'code'],
  );
  readonly #started = this.#counter(
    'sign_ins_started',
    'Browsers sent to an authorization server.',
    ['provider'],
  );
  readonly #completed = this.#counter('sign_ins_completed', 'Sign-ins that became a session.', [
    'provider',
  ]);
  readonly #failed = this.#counter(
    'sign_ins_failed',
    'Sign-ins that did not begin or did not become a session, by code.',
    ['provider', 'code'],
  );
  readonly #refreshes = this.#counter(
    'refreshes',
    'Token requests that renew access tokens, by outcome; with `ended` the provider ended the ' +
      'session, with `refused` a route got no token of its own.',
    ['provider', 'outcome'],
  );
  readonly #ended = this.#counter('sign_outs', 'Sessions ended, by whom.', ['by']);
  readonly #claimReads = this.#counter(
    'claim_reads',
    'Claims read again from UserInfo or the hook, by outcome.',
    ['provider', 'outcome'],
  );
  readonly #hookCalls = this.#counter(
    'hook_calls',
    'Calls of the sign-in hook, by event and outcome.',
    ['event', 'outcome'],
  );
  readonly #notAllowed = this.#counter(
    'not_allowed',
    'Users refused by a rule, by place and index of the rule.',
    ['at', 'rule'],
  );
  /** `undefined` before the first connection or failure, or without Redis. */
  #redis: { readonly connected: Gauge; readonly lost: Counter } | undefined;

  constructor({ basePath, routes, providers, rules = [] }: RecordedNames) {
    this.#requests = new RequestCounts(routes, basePath, this.#registry);
    // Prometheus does not see an increase in a counter that starts at 1.
    for (const provider of providers) {
      for (const counter of [this.#started, this.#completed]) counter.inc({ provider }, 0);
      for (const outcome of refreshOutcomes) this.#refreshes.inc({ provider, outcome }, 0);
      for (const outcome of claimOutcomes) this.#claimReads.inc({ provider, outcome }, 0);
    }
    for (const route of routes)
      for (const code of upstreamCodes) this.#upstreamFailures.inc({ route, code }, 0);
    for (const event of ['sign_in', 'refresh'])
      for (const outcome of hookOutcomes) this.#hookCalls.inc({ event, outcome }, 0);
    for (const [at, count] of rules)
      for (let rule = 0; rule < count; rule += 1) this.#notAllowed.inc({ at, rule }, 0);
    for (const by of endings) this.#ended.inc({ by }, 0);
  }

  request(answered: AnsweredRequest): void {
    this.#requests.note(answered);
  }

  /** Counts an error response. `route` is the path of the requested route, if there is one. */
  problem(code: ErrorCode, route = ''): void {
    this.#problems.inc({ code });
    if (upstreamCodes.includes(code)) this.#upstreamFailures.inc({ route, code });
  }

  signInStarted(provider: string): void {
    this.#started.inc({ provider });
  }

  signInCompleted(provider: string): void {
    this.#completed.inc({ provider });
  }

  signInFailed(provider: string, code: ErrorCode): void {
    this.#failed.inc({ provider, code });
  }

  refreshed(provider: string, outcome: (typeof refreshOutcomes)[number]): void {
    this.#refreshes.inc({ provider, outcome });
  }

  claimsRead(provider: string, outcome: (typeof claimOutcomes)[number]): void {
    this.#claimReads.inc({ provider, outcome });
  }

  hookCalled(event: 'sign_in' | 'refresh', outcome: (typeof hookOutcomes)[number]): void {
    this.#hookCalls.inc({ event, outcome });
  }

  sessionsEnded(by: EndedBy, sessions: number): void {
    this.#ended.inc({ by }, sessions);
  }

  /** Counts a refusal by a rule. `at` is the path of a route, or another place of rules. */
  notAllowed(at: string, index: number): void {
    this.#notAllowed.inc({ at, rule: index });
  }

  redis(state: 'connected' | 'lost'): void {
    const { connected, lost } = (this.#redis ??= redisMetrics(this.#registry));
    connected.set(state === 'connected' ? 1 : 0);
    if (state === 'lost') lost.inc();
  }

  /** Counts the lines that the log of this process drops. */
  watchLog(log: LineStream): void {
    countDroppedLines(log, this.#registry);
  }

  /** Adds the metrics of the session cache, which are read for each request to `/metrics`. */
  watchCache(read: () => CacheMetrics): void {
    reportCache(read, this.#registry);
  }

  /** Returns everything that was counted. */
  async read(): Promise<ProcessMetrics> {
    return (await this.#registry.getMetricsAsJSON()).map(boundLast);
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    const registers = [this.#registry];
    return new Counter({ name: `pixie_${name}_total`, help, labelNames, registers });
  }
}

function redisMetrics(registry: Registry): { connected: Gauge; lost: Counter } {
  const registers = [registry];
  const connected = new Gauge({
    name: 'pixie_redis_connected',
    help: 'Whether Redis is connected: 1, or 0; of several processes the worst.',
    aggregator: 'min',
    registers,
  });
  const lost = new Counter({
    name: 'pixie_redis_connections_lost_total',
    help: 'How often the connection to Redis was lost.',
    registers,
  });
  return { connected, lost };
}

/** Moves the upper bound `le` of a bucket behind the other labels; `prom-client` puts it first. */
function boundLast(metric: ProcessMetrics[number]): ProcessMetrics[number] {
  const values = metric.values.map((sample) => {
    const { le, ...labels } = sample.labels;
    return le === undefined ? sample : { ...sample, labels: { ...labels, le } };
  });
  return { ...metric, values };
}
