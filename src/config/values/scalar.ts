import { z } from 'zod';
import { parseDuration, parseSize } from './units.ts';

/** Metadata of an option for the catalogue, the environment and the documentation. */
export interface OptionNotes {
  /** Set if a single environment variable can hold the value. */
  readonly scalar?: true;
  readonly choices?: readonly string[];
  /** The separator of list entries in an environment variable. */
  readonly separator?: RegExp;
  /** A file or directory. Relative paths are resolved from the folder of their source. */
  readonly isPath?: true;
  /** The schema of a block that can be replaced by `false`. */
  readonly block?: z.ZodType;
  /** Set if the option exists only in another block. It is refused and not documented. */
  readonly misplaced?: true;
}

class Refusal extends Error {}

/** Refuses a value. `sentence` tells the operator what to change. */
export function refuse(sentence: string): never {
  throw new Refusal(sentence);
}

/**
 * Creates a schema from a function that converts or refuses a value. A missing value is refused
 * with "is required".
 */
export function scalar<Output, Input>(read: (value: unknown) => Output, notes: OptionNotes = {}) {
  return z
    .custom<Input>()
    .transform((value, context): Output => {
      try {
        return value === undefined ? refuse('is required') : read(value);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        context.addIssue(error.message);
        return z.NEVER;
      }
    })
    .meta({ scalar: true, ...notes });
}

/** A string that is not empty. `read` can convert or refuse it. */
export function text(read: (value: string) => string = (value) => value, notes?: OptionNotes) {
  return scalar<string, string>((value) => {
    if (typeof value === 'number') refuse('must be text; put the number in quotes');
    if (typeof value !== 'string') refuse('must be text');
    if (value.trim() === '') refuse('is empty; give it a value or remove it');
    return read(value);
  }, notes);
}

/** An integer between `least` and `most`, as a number or a string. */
export function wholeNumber(least: number, most: number) {
  return scalar<number, number | string>(
    (value) =>
      readWholeNumber(value, least, most) ??
      refuse(`must be a whole number from ${least} to ${most}`),
  );
}

/** The integer of a number or string, or `undefined` if it is invalid or out of range. */
export function readWholeNumber(value: unknown, least: number, most: number): number | undefined {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  const isInteger = typeof number === 'number' && Number.isInteger(number);
  return isInteger && number >= least && number <= most ? number : undefined;
}

/** A TCP port. With `0` the operating system selects one. */
export function port() {
  return wholeNumber(0, 65_535);
}

/** A boolean, or its string form in an environment variable. */
export function flag() {
  return scalar<boolean, boolean | 'true' | 'false'>((value) => {
    if (value === true || value === 'true') return true;
    if (value === false || value === 'false') return false;
    return refuse('must be true or false');
  });
}

/** A duration with a unit, converted to milliseconds. */
export function duration({ atMost }: { atMost: string }) {
  const most = parseDuration(atMost) ?? 0;
  return scalar<number, string>((value) => {
    const milliseconds = typeof value === 'string' ? parseDuration(value) : undefined;
    if (milliseconds === undefined)
      return refuse('must be a duration with a unit: 500ms, 10s, 30m, 8h or 7d');
    if (milliseconds === 0 || milliseconds > most)
      return refuse(`must be more than 0 and at most ${atMost}`);
    return milliseconds;
  });
}

/** A size, converted to bytes (1024-based). */
export function size() {
  return scalar<number, string | number>((value) => {
    const spelled = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
    const bytes = parseSize(spelled);
    if (!bytes) return refuse('must be a size above zero: 64kb, 50mb, 1gb or a number of bytes');
    return bytes;
  });
}

/** One of the given choices. */
export function oneOf<const Choice extends string | number>(choices: readonly Choice[]) {
  return scalar<Choice, Choice | `${Choice}`>(
    (value) =>
      choices.find((choice) => String(choice) === String(value)) ??
      refuse(`must be ${choices.length === 1 ? choices[0] : `one of ${choices.join(', ')}`}`),
    { choices: choices.map(String) },
  );
}

/** A list of scalars. In an environment variable they are separated by commas. */
export function listOf<Item extends z.ZodType>(
  item: Item,
  { separator = /\s*,\s*/, missing = 'is required' } = {},
) {
  const error: z.core.$ZodErrorMap = ({ input }) => (input === undefined ? missing : undefined);
  return z.array(item, { error }).meta({ separator });
}

/** An option that exists only in another block. `sentence` tells the operator what to change. */
export function misplaced(sentence: string) {
  return z
    .custom<undefined>()
    .transform((value, context): undefined => {
      if (value !== undefined) context.addIssue(sentence);
    })
    .optional()
    .meta({ misplaced: true });
}

/**
 * A block with defaults. `false`, or its string form in an environment variable, is accepted in its
 * place and keeps the defaults of its options.
 */
export function blockOrFalse<Schema extends z.ZodType>(schema: Schema) {
  return z
    .custom<z.input<Schema> | false | 'false'>()
    .transform((value, context): unknown => {
      if (value === false || value === 'false') return undefined;
      if (value === undefined || typeof value === 'object') return value;
      context.addIssue('must be false, or a block with options of its own');
      return z.NEVER;
    })
    .pipe(schema as z.ZodType<z.output<Schema>>)
    .meta({ block: schema });
}
