import { median, medianSample, type Sample } from './sample.ts';

/**
 * Everything that was measured: rounds of loads by row and contender, and single figures by name.
 */
export class Results {
  readonly #samples = new Map<string, Sample[]>();
  readonly #figures = new Map<string, number>();

  /** The next round of a contender in a row. */
  add(row: string, contender: string, sample: Sample): void {
    const key = `${row} ${contender}`;
    this.#samples.set(key, [...(this.#samples.get(key) ?? []), sample]);
  }

  /** Absent: it was not measured. */
  sample(row: string, contender: string): Sample | undefined {
    const samples = this.#samples.get(`${row} ${contender}`);
    return samples && medianSample(samples);
  }

  /**
   * How many times the other's figure this one's is, the median over the rounds: what slows the
   * machine for a while slows both of a round. Absent: one of them was not measured.
   */
  ratio(row: string, figure: keyof Sample, one: string, other: string): number | undefined {
    const [ones, others] = [one, other].map((name) => this.#samples.get(`${row} ${name}`));
    if (!ones || !others) return undefined;
    return median(ones.map((sample, round) => sample[figure] / (others[round]?.[figure] ?? NaN)));
  }

  /** Notes a figure that is no load: `note('start pixie', 640)`. */
  note(name: string, value: number): void {
    this.#figures.set(name, value);
  }

  figure(name: string): number | undefined {
    return this.#figures.get(name);
  }
}
