import type { Registry } from 'prom-client';
import { type Metric, gauge } from './metric.ts';

/** The metrics of `SessionCache`. */
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
 * Returns the metrics of CPU time, memory, event loop and garbage collection of this process.
 * Collection starts with the first call, so that without it neither the library nor its timers have
 * a cost.
 */
export async function processMetrics(): Promise<Metric[]> {
  const registry = await (observed ??= observeProcess());
  const figures = await figuresOf(registry);
  return figures.map((figure) =>
    // For several processes the maximum matters, because one may hang.
    figure.name.startsWith('nodejs_eventloop_lag') ? { ...figure, aggregator: 'max' } : figure,
  );
}

/** Returns the metrics of the session cache. */
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
 * Combines the metrics of several processes into a `/metrics` response in the Prometheus text
 * format.
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

/** The library's types declare metric types as numbers, but they are strings. */
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
