import { z } from 'zod';

/** Reports a mistake at a path relative to the object that the rule checks. */
export type Report = (path: readonly (string | number)[], sentence: string) => void;

const byRule = { byRule: true };

/**
 * A rule about several options. It also runs if other options are wrong, so that all mistakes are
 * reported at once. It is skipped only if an option in `about` is wrong. `about` lists paths: `*`
 * is any entry of a list, and an empty path is the object itself.
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
 * Whether an issue affects the options of a pattern. Unknown keys and broken rules do not make
 * values unusable. Any other issue covers everything above and below its path.
 */
function touches(issue: z.core.$ZodRawIssue, pattern: readonly string[]): boolean {
  if (issue.code === 'unrecognized_keys' || issue.params === byRule) return false;
  const path = issue.path ?? [];
  return pattern
    .slice(0, path.length)
    .every((segment, depth) => segment === '*' || segment === String(path[depth]));
}
