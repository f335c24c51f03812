import { type Environment, readVariable } from './environment.ts';
import type { Mistake } from '../mistakes.ts';
import type { Origin } from './overlay.ts';
import { mapStrings } from './tree.ts';

const reference = /\$\{([A-Z_][A-Z0-9_]*)\}/g;

/**
 * `${VAR}` inside the strings of a parsed file. It works on values, not on the text of the file, so
 * that nothing in a variable can add options; and in one pass, so that a value is never searched
 * for further references.
 */
export function interpolate(tree: unknown, environment: Environment) {
  const mistakes: Mistake[] = [];
  const origins: Origin[] = [];
  const used = new Set<string>();
  const result = mapStrings(tree, (text, path) =>
    text.replaceAll(reference, (spelled, name: string) => {
      used.add(name).add(`${name}_FILE`);
      origins.push({ path, origin: spelled });
      const reading = readVariable(environment, name);
      if (reading.kind === 'value') return reading.value;
      const message =
        reading.kind === 'mistake'
          ? reading.message
          : `refers to ${spelled}, but neither ${name} nor ${name}_FILE is set; set one of them`;
      mistakes.push({ path, message });
      return spelled;
    }),
  );
  return { result, mistakes, origins, used };
}
