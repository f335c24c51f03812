import { z } from 'zod';
import { refuse, scalar } from './scalar.ts';

/** A field of the user endpoint's response, which can be nested: `id`, `data.id`. */
const fieldPath = /^[\w-]+(\.[\w-]+)*$/;

/** A field in a template: `https://cdn.example.com/{id}.png`. */
const placeholder = /\{([^{}]*)\}/g;

/**
 * Maps claims to fields of the user endpoint. A claim with several fields takes the first that has
 * a value.
 */
export function userFields() {
  return z.record(z.string(), scalar<readonly string[], string | readonly string[]>(readSources));
}

/**
 * The value of a claim's source: a field, or a template with its fields filled in. `undefined` if a
 * field of the template is missing.
 */
export function fillIn(source: string, read: (path: string) => unknown): unknown {
  if (!source.includes('{')) return read(source);
  let isComplete = true;
  const text = source.replaceAll(placeholder, (_, path: string) => {
    const value = read(path);
    isComplete &&= typeof value === 'string' || typeof value === 'number';
    return encodeURIComponent(String(value));
  });
  return isComplete ? text : undefined;
}

function readSources(value: unknown): readonly string[] {
  const sources: unknown[] = Array.isArray(value) ? value : [value];
  if (sources.length === 0) refuse('needs the name of a field');
  return sources.map((source) =>
    typeof source === 'string' && isSource(source)
      ? source
      : refuse('must be the name of a field of the user endpoint, like id or data.id'),
  );
}

function isSource(source: string): boolean {
  const paths = [...source.matchAll(placeholder)].map(([, path = '']) => path);
  if (paths.length === 0) return fieldPath.test(source);
  const rest = source.replaceAll(placeholder, '');
  return paths.every((path) => fieldPath.test(path)) && /^[^{}\s]*$/.test(rest);
}
