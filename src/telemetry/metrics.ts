import type { Registry } from 'prom-client';
import { type Metric, gauge } from './metric.ts';

/** What is remembered of sessions, as `SessionCache` counts it. */
export interface CacheMetrics {
  readonly sessions: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
}

/** A response of `/metrics`. */
export interface MetricsResponse {
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

let observed: Promise<Registry> | undefined;

/**
 * Processor time, memory, event loop and garbage collection of this process. They are watched from
 * the first time somebody asks: where nobody does, neither the library nor its timers cost
 * anything.
 */
export async function processMetrics(): Promise<Metric[]> {
  const registry = await (observed ??= observeProcess());
  const figures = await figuresOf(registry);
  return figures.map((figure) =>
    // Of several processes the one that hangs is of interest, not their average.
    figure.name.startsWith('nodejs_eventloop_lag') ? { ...figure, aggregator: 'max' } : figure,
  );
}

/** The cache of sessions, in the form of the other figures. */
export function cacheMetrics({ sessions, bytes, hits, misses }: CacheMetrics): Metric[] {
  const name = 'pixie_session_cache';
  return [
    gauge(`${name}_sessions`, 'Sessions remembered in memory.', sessions),
    gauge(`${name}_bytes`, 'Size of the records of these sessions.', bytes),
    count(`${name}_hits_total`, 'Sessions used without asking the store.', hits),
    count(`${name}_misses_total`, 'Sessions the store was asked for.', misses),
  ];
}

/**
 * The figures of some processes, put together in the text format of Prometheus, as `/metrics`
 * answers them.
 */
export async function metricsResponse(
  ofProcesses: readonly (readonly Metric[])[],
): Promise<MetricsResponse> {
  const registry = await sum(ofProcesses);
  return {
    code: 200,
    headers: { 'Content-Type': registry.contentType },
    body: await registry.metrics(),
  };
}

/** The library declares its types of figures as numbers; they are words. */
async function figuresOf(registry: Registry): Promise<Metric[]> {
  return (await registry.getMetricsAsJSON()) as unknown as Metric[];
}

function count(name: string, help: string, value: number): Metric {
  return { ...gauge(name, help, value), type: 'counter' };
}

async function sum(ofProcesses: readonly (readonly Metric[])[]): Promise<Registry> {
  const { AggregatorRegistry } = await import('prom-client');
  return AggregatorRegistry.aggregate([...ofProcesses]);
}

async function observeProcess(): Promise<Registry> {
  const { collectDefaultMetrics, Registry: NewRegistry } = await import('prom-client');
  const register = new NewRegistry();
  collectDefaultMetrics({ register });
  return register;
}
