import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Coverage } from './coverage.ts';
import { mutated, type Random, randomFrom } from './mutations.ts';

/** A parser and the properties that hold for all of its inputs. */
export interface Target {
  readonly name: string;
  /** Tokens of the input language, inserted into inputs at random. */
  readonly words: readonly string[];
  /** The maximum input length in characters, 16 KB by default. */
  readonly most?: number;
  /** Throws if a property does not hold. Catches the errors that the parser may throw. */
  readonly check: (input: string) => void | Promise<void>;
}

/** The result of fuzzing a target. */
export interface Outcome {
  readonly inputs: number;
  /** Branches of `src/` that were taken. */
  readonly covered: number;
  /** Inputs that reached something new and were kept. */
  readonly kept: number;
}

/** A property that did not hold, and the input. */
export class Finding extends Error {
  readonly input: string;

  constructor(input: string, cause: unknown) {
    const text = JSON.stringify(input);
    const shown = text.length > 400 ? `${text.slice(0, 300)}…${text.slice(-80)}` : text;
    super(`${(cause as Error).message}\nof ${input.length} characters: ${shown}`, { cause });
    this.input = input;
  }
}

/** Milliseconds of processor time for 16 KB of input, as promised for an anonymous request. */
const budget = 20;

/** The maximum length of inputs that are kept only for a new branch count, not a new branch. */
const mostToRepeat = 1024;

/** How long and with what to run. */
export interface Extent {
  readonly seconds: number;
  readonly seed: number;
  /** The directory with the inputs of earlier runs, one folder per target. */
  readonly corpus: string;
  /** Keep new inputs there. */
  readonly keep: boolean;
}

/**
 * Runs the inputs of the corpus, then mutates those that reached something new until the time is
 * up. Throws a `Finding`.
 */
export async function fuzz(
  target: Target,
  { seconds, seed, corpus, keep }: Extent,
): Promise<Outcome> {
  const folder = join(corpus, target.name);
  const inputs = ['', ...readCorpus(folder)];
  const coverage = new Coverage();
  for (const input of inputs) await reach(target, input, coverage);
  const old = inputs.length;
  const random = randomFrom(seed);
  const end = performance.now() + seconds * 1000;
  let count = old;
  for (; performance.now() < end; count += 1) {
    const input = offspring(target, inputs, random);
    const found = await reach(target, input, coverage);
    if (found === 'a branch' || (found && input.length <= mostToRepeat)) inputs.push(input);
    if (found === 'a branch' && keep) writeCorpus(folder, input);
  }
  return { inputs: count, covered: coverage.branches, kept: inputs.length - old };
}

/** Runs an input and returns what it reaches for the first time. */
async function reach(target: Target, input: string, coverage: Coverage) {
  coverage.forget();
  const { tries } = await check(target, input);
  // Retries to measure the time were counted as well, which makes the counts useless.
  return tries === 1 ? coverage.add() : undefined;
}

/** A mutated input. Newer inputs are chosen more often. */
function offspring({ words, most = 16 * 1024 }: Target, inputs: string[], random: Random): string {
  const back = random(2) ? random(inputs.length) : random(Math.min(20, inputs.length));
  return mutated(inputs.at(-1 - back) ?? '', inputs, words, most, random);
}

async function check(target: Target, input: string): Promise<{ readonly tries: number }> {
  const most = budget * Math.max(1, input.length / (16 * 1024));
  try {
    let least = await timeOf(target, input);
    let tries = 1;
    // The minimum of several tries, because noise only adds time.
    for (; tries < 6 && least >= most; tries += 1)
      least = Math.min(least, await timeOf(target, input));
    if (least >= most) throw new Error(`took ${least.toFixed(0)} ms`);
    return { tries };
  } catch (error) {
    throw new Finding(input, error);
  }
}

/** Milliseconds of processor time, which depend little on what else the machine does. */
async function timeOf(target: Target, input: string): Promise<number> {
  const start = process.threadCpuUsage();
  await target.check(input);
  const { user, system } = process.threadCpuUsage(start);
  return (user + system) / 1000;
}

function readCorpus(folder: string): string[] {
  mkdirSync(folder, { recursive: true });
  return readdirSync(folder)
    .toSorted()
    .map((name) => readFileSync(join(folder, name), 'utf8'));
}

function writeCorpus(folder: string, input: string): void {
  const name = createHash('sha256').update(input).digest('hex').slice(0, 16);
  writeFileSync(join(folder, name), input);
}
