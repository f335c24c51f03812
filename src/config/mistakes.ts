import type { z } from 'zod';
import { type Option, optionsBelow } from './catalogue.ts';
import { nearest } from './values/spelling.ts';

/** The path of a value: keys, and indexes of lists. */
export type Path = readonly (string | number)[];

/**
 * A mistake in the configuration. The message is a sentence about the value at the path. It never
 * quotes a secret.
 */
export interface Mistake {
  readonly path: Path;
  readonly message: string;
}

/**
 * Formats a path: `providers[0].clientId`. Keys come from the operator: `clientSecret:abc` without
 * a space is a key with a secret in it. So a key is cut at the first character that no option name
 * contains.
 */
export function spellPath(path: Path): string {
  const spelled = path.map((key) =>
    typeof key === 'number' ? `[${key}]` : `.${key.replace(/[^\w-].*$/s, '…')}`,
  );
  return spelled.join('').replace(/^\./, '') || 'configuration';
}

/** Messages for the issues that zod itself detects, in terms of the configuration. */
export const sentence: z.core.$ZodErrorMap = (issue) => {
  if (issue.code !== 'invalid_type') return undefined;
  if (issue.input === undefined) return 'is required';
  return issue.expected === 'array' ? 'must be a list' : 'must be a block with options of its own';
};

/** Converts zod issues to mistakes. Unknown keys get one each, with the most similar option. */
export function mistakesOf(error: z.ZodError, catalogue: readonly Option[]): Mistake[] {
  return error.issues.flatMap((issue): Mistake[] => {
    const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
    if (issue.code !== 'unrecognized_keys') return [{ path, message: issue.message }];
    const known = optionsBelow(catalogue, path).map((option) => option.path.at(-1) ?? '');
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `is not an option; ${advice(key, known)}`,
    }));
  });
}

function advice(key: string, known: readonly string[]): string {
  const similar = nearest(key, known);
  return similar ? `did you mean ${similar}?` : `known here: ${known.join(', ')}`;
}
