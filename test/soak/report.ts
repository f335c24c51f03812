/** Says what was found, one line a check, and counts. */
export class Report {
  #passed = 0;
  #failed = 0;

  get hasFailed(): boolean {
    return this.#failed > 0 || this.#passed === 0;
  }

  /**
   * One thing that must hold. What the check returns are its figures; one that throws has failed,
   * and the others go on.
   */
  async check(name: string, check: () => Promise<string>): Promise<void> {
    try {
      console.log(`  ok    ${name}: ${await check()}`);
      this.#passed += 1;
    } catch (error) {
      this.fail(name, error);
    }
  }

  /** Something that could not even be checked, or did not hold. */
  fail(name: string, error: unknown): void {
    const { message } = error as Error;
    console.log(`  FAIL  ${name}: ${message.replaceAll('\n', '\n        ')}`);
    this.#failed += 1;
  }

  /** A figure, or something that happened and is neither right nor wrong. */
  note(text: string): void {
    console.log(`  ${text}`);
  }

  heading(text: string): void {
    console.log(`\n${text}`);
  }

  get summary(): string {
    return `${this.#passed} passed, ${this.#failed} failed`;
  }
}

/**
 * The value that this part of all values does not exceed: `quantile(times, 0.99)`. Of none it is
 * not a number.
 */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}

/** `median 812 ms, p99 1105 ms, max 1200 ms`. */
export function spread(milliseconds: readonly number[]): string {
  const [median, p99, max] = [0.5, 0.99, 1].map((part) => quantile(milliseconds, part).toFixed(1));
  return `median ${median} ms, p99 ${p99} ms, max ${max} ms`;
}
