/** One value of a metric, in the format of `prom-client`. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Defaults to the name of the metric. */
  readonly metricName?: string;
}

/** A metric of one process, which can be combined with those of others. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** How the values of several processes are combined. */
  readonly aggregator: 'sum' | 'min' | 'max' | 'average' | 'first' | 'omit';
  readonly values: readonly Sample[];
}

interface Count {
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

/** A counter with labels. Label values come from the configuration or from our own tables. */
export class Counter {
  readonly #counts = new Map<string, Count>();

  constructor(
    private readonly name: string,
    private readonly help: string,
    private readonly labelNames: readonly string[] = [],
  ) {}

  /**
   * Adds to a counter. Adding 0 creates it, because Prometheus does not see an increase in a
   * counter that starts at 1.
   */
  add(values: readonly string[] = [], by = 1): void {
    const key = values.join('\n');
    const count = this.#counts.get(key);
    if (count) count.value += by;
    else this.#counts.set(key, { labels: this.#labelled(values), value: by });
  }

  figure(): Metric {
    const { name, help } = this;
    const values = [...this.#counts.values()].map(({ labels, value }) => ({ labels, value }));
    return { name, help, type: 'counter', aggregator: 'sum', values };
  }

  #labelled(values: readonly string[]): Record<string, string> {
    return Object.fromEntries(this.labelNames.map((name, index) => [name, values[index] ?? '']));
  }
}

/** Creates a metric whose value can rise and fall. */
export function gauge(
  name: string,
  help: string,
  value: number,
  aggregator: Metric['aggregator'] = 'sum',
): Metric {
  return { name, help, type: 'gauge', aggregator, values: [{ labels: {}, value }] };
}

/** Sums counters and histograms by name. Gauges are dropped, because they describe a moment. */
export function aggregate(figures: readonly Metric[]): Metric[] {
  const sums = new Map<string, { figure: Metric; values: Map<string, Sample> }>();
  for (const figure of figures) {
    if (figure.type === 'gauge' || figure.aggregator !== 'sum') continue;
    const sum = sums.get(figure.name) ?? { figure, values: new Map<string, Sample>() };
    sums.set(figure.name, sum);
    for (const sample of figure.values) {
      const key = JSON.stringify([sample.metricName, sample.labels]);
      const value = (sum.values.get(key)?.value ?? 0) + sample.value;
      sum.values.set(key, { ...sample, value });
    }
  }
  return [...sums.values()].map(({ figure, values }) => ({
    ...figure,
    values: [...values.values()],
  }));
}

/**
 * Upper bounds of the buckets in seconds, from a response from memory to the usual timeout of a
 * route.
 */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

/** A histogram of durations. Recording a value costs a few comparisons and allocates nothing. */
export class Durations {
  /** Counts per bucket, not cumulative. Values above the last bound are only in the total. */
  readonly #counts = new Float64Array(bounds.length);
  #total = 0;
  #seconds = 0;

  note(seconds: number): void {
    this.#total += 1;
    this.#seconds += seconds;
    for (let index = 0; index < bounds.length; index += 1) {
      if (seconds > (bounds[index] ?? 0)) continue;
      this.#counts[index] = (this.#counts[index] ?? 0) + 1;
      return;
    }
  }

  /** Returns the samples of a histogram with this name. Buckets are cumulative. */
  samples(name: string, labels: Sample['labels']): Sample[] {
    let below = 0;
    const buckets = bounds.map((le, index) => {
      below += this.#counts[index] ?? 0;
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
    });
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: this.#total },
      { metricName: `${name}_sum`, labels, value: this.#seconds },
      { metricName: `${name}_count`, labels, value: this.#total },
    ];
  }
}
