import { z } from 'zod';

/** Reports a mistake at a path below the object that the rule looks at. */
export type Report = (path: readonly (string | number)[], sentence: string) => void;

const byRule = { byRule: true };

/**
 * A rule that needs several options at once. It is judged although other options are mistaken, so
 * that the operator sees every mistake of a start at once; only a mistake in the options it is
 * `about` (paths, `*` for any entry of a list, the empty one for the object alone) keeps it silent,
 * because then their values mean nothing.
 */
export function rule<Value>(
  about: readonly string[],
  judge: (value: Value, report: Report) => void,
): z.core.$ZodCheck<Value> {
  const patterns = about.map((path) => path.split('.'));
  return z.superRefine<Value>(
    (value, context) =>
      judge(value, (path, message) =>
        context.addIssue({ code: 'custom', path: [...path], message, params: byRule }),
      ),
    { when: ({ issues }) => !issues.some((issue) => patterns.some((p) => touches(issue, p))) },
  );
}

/**
 * An unknown key says nothing about the known ones, and a value that breaks a rule still means what
 * it says. Any other issue covers everything above and below its path.
 */
function touches(issue: z.core.$ZodRawIssue, pattern: readonly string[]): boolean {
  if (issue.code === 'unrecognized_keys' || issue.params === byRule) return false;
  const path = issue.path ?? [];
  return pattern
    .slice(0, path.length)
    .every((segment, depth) => segment === '*' || segment === String(path[depth]));
}
