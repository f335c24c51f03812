/** One number of a figure, as `prom-client` writes it down. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Absent: that of the figure. */
  readonly metricName?: string;
}

/** What one process knows of one thing, so that several processes' figures can be put together. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** What becomes of the numbers of several processes. */
  readonly aggregator: 'sum' | 'min' | 'max' | 'average' | 'first' | 'omit';
  readonly values: readonly Sample[];
}

interface Count {
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

/**
 * Counts by the values of a few labels, all of which come from the configuration or from our own
 * tables.
 */
export class Counter {
  readonly #counts = new Map<string, Count>();

  constructor(
    private readonly name: string,
    private readonly help: string,
    private readonly labelNames: readonly string[] = [],
  ) {}

  /**
   * With 0 a number is there before anything has happened: what begins at 1 looks as if nothing
   * had.
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

/** A number that is now so, and may be another a moment later. */
export function gauge(
  name: string,
  help: string,
  value: number,
  aggregator: Metric['aggregator'] = 'sum',
): Metric {
  return { name, help, type: 'gauge', aggregator, values: [{ labels: {}, value }] };
}

/**
 * One figure of each name, with the sums of what only ever grows. A gauge is of the moment: it is
 * left out.
 */
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
 * Upper bounds in seconds: from a call that is served from memory to a route's usual time limit.
 */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

/** How long things took. Noting one costs a few comparisons and allocates nothing. */
export class Durations {
  /**
   * How many fell between a bound and the one below it; beyond the last bound they are in the total
   * alone.
   */
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

  /** The numbers of a histogram of this name: buckets hold what is below them as well. */
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
