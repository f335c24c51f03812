import { type Environment, readVariable } from './environment.ts';
import type { Mistake } from '../mistakes.ts';
import type { Origin } from './overlay.ts';
import { mapStrings } from './tree.ts';

const reference = /\$\{([A-Z_][A-Z0-9_]*)\}/g;

/**
 * Replaces `${VAR}` in the strings of a parsed file. It works on values, not on the file's text, so
 * a variable cannot add options. It makes one pass, so references in values stay as they are.
 */
export function interpolate(tree: unknown, environment: Environment) {
  const mistakes: Mistake[] = [];
  const origins: Origin[] = [];
  const used = new Set<string>();
  const result = mapStrings(tree, (text, path) =>
    text.replaceAll(reference, (written, name: string) => {
      used.add(name).add(`${name}_FILE`);
      origins.push({ path, origin: written });
      const reading = readVariable(environment, name);
      if (reading.kind === 'value') return reading.value;
      const message =
        reading.kind === 'mistake'
          ? reading.message
          : `refers to ${written}, but neither ${name} nor ${name}_FILE is set; set one of them`;
      mistakes.push({ path, message });
      return written;
    }),
  );
  return { result, mistakes, origins, used };
}
