import { z } from 'zod';
import { refuse, scalar } from './scalar.ts';

/** A field of the user endpoint's answer, or one inside another: `id`, `data.id`. */
const fieldPath = /^[\w-]+(\.[\w-]+)*$/;

/** A field within a text: `https://cdn.example.com/{id}.png`. */
const placeholder = /\{([^{}]*)\}/g;

/**
 * Which fields of the user endpoint become which claims; several for one claim: the first that has
 * a value.
 */
export function userFields() {
  return z.record(z.string(), scalar<readonly string[], string | readonly string[]>(readSources));
}

/**
 * The paths of the fields a source of a claim refers to, and what to put in their place. Absent:
 * one is missing.
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
