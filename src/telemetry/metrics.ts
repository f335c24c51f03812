import { AggregatorRegistry, collectDefaultMetrics, Registry } from 'prom-client';

/** The metrics of one process, in a form that can be sent to another process. */
export type ProcessMetrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** A response of `/metrics`. */
export interface MetricsResponse {
  readonly code: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

let observed: Registry | undefined;

/**
 * Returns the metrics of CPU time, memory, event loop and garbage collection of this process.
 * Collection starts with the first call, so that without it the timers have no cost.
 */
export async function nodeMetrics(): Promise<ProcessMetrics> {
  observed ??= observeNode();
  const metrics = await observed.getMetricsAsJSON();
  return metrics.map((metric) =>
    // For several processes the maximum matters, because one may hang.
    metric.name.startsWith('nodejs_eventloop_lag') ? { ...metric, aggregator: 'max' } : metric,
  );
}

/**
 * Combines the metrics of several processes into a `/metrics` response in the Prometheus text
 * format.
 */
export async function metricsResponse(
  ofProcesses: readonly ProcessMetrics[],
): Promise<MetricsResponse> {
  const registry = AggregatorRegistry.aggregate([...ofProcesses]);
  return {
    code: 200,
    headers: { 'Content-Type': registry.contentType },
    body: await registry.metrics(),
  };
}

/** Sums counters and histograms. Gauges are dropped, because they describe a moment. */
export async function totalsOf(ofProcesses: readonly ProcessMetrics[]): Promise<ProcessMetrics> {
  const metrics = await AggregatorRegistry.aggregate([...ofProcesses]).getMetricsAsJSON();
  // The library's types declare metric types as numbers, but they are strings.
  return metrics.filter(({ type }) => String(type) !== 'gauge');
}

function observeNode(): Registry {
  const register = new Registry();
  collectDefaultMetrics({ register });
  return register;
}
