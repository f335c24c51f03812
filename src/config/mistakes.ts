import type { z } from 'zod';
import { type Option, optionsBelow } from './catalogue.ts';
import { nearest } from './values/spelling.ts';

/** The path of a value: keys, and indexes of lists. */
export type Path = readonly (string | number)[];

/**
 * A mistake in the configuration. The message describes what is wrong with the value at the path,
 * without its name: `is required`. It never quotes a secret.
 */
export interface Mistake {
  readonly path: Path;
  readonly message: string;
}

/**
 * Formats a path: `providers[0].clientId`. A key is cut at the first character that no option name
 * contains, because it may contain a secret: in YAML, `clientSecret:abc` without a space is a key.
 */
export function formatPath(path: Path): string {
  const formatted = path.map((key) =>
    typeof key === 'number' ? `[${key}]` : `.${key.replace(/[^\w-].*$/s, '…')}`,
  );
  return formatted.join('').replace(/^\./, '') || 'configuration';
}

/** The messages for issues that zod itself detects, in the words of the configuration. */
export const issueMessage: z.core.$ZodErrorMap = (issue) => {
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
      message: `is not an option; ${hint(key, known)}`,
    }));
  });
}

function hint(key: string, known: readonly string[]): string {
  const similar = nearest(key, known);
  return similar ? `did you mean ${similar}?` : `known here: ${known.join(', ')}`;
}
