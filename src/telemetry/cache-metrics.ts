import { Counter, Gauge, type Registry } from 'prom-client';

/** The metrics of `SessionCache`. */
export interface CacheMetrics {
  readonly sessions: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
}

/** Adds the metrics of the session cache to a registry. They are read when they are collected. */
export function reportCache(read: () => CacheMetrics, registry: Registry): void {
  const gauge = (name: string, help: string, value: keyof CacheMetrics) =>
    new Gauge({
      name: `pixie_session_cache_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read()[value]);
      },
    });
  const counter = (name: string, help: string, value: keyof CacheMetrics) =>
    new Counter({
      name: `pixie_session_cache_${name}_total`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read()[value]);
      },
    });
  gauge('sessions', 'Sessions remembered in memory.', 'sessions');
  gauge('bytes', 'Size of the records of these sessions.', 'bytes');
  counter('hits', 'Sessions used without asking the store.', 'hits');
  counter('misses', 'Sessions the store was asked for.', 'misses');
}
