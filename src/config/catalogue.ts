import { z } from 'zod';
import type { OptionNotes } from './values/scalar.ts';

/** One option of the schema, for the environment, the documentation and error messages. */
export interface Option {
  /** Keys from the root. `*` stands for every entry of a list of blocks. */
  readonly path: readonly string[];
  readonly kind: 'scalar' | 'list' | 'map' | 'block' | 'blocks';
  readonly description: string;
  /** The default as an operator would write it, or `undefined` if the option has none. */
  readonly fallback: unknown;
  readonly isRequired: boolean;
  /** Whether `false` can replace the block. */
  readonly mayBeFalse: boolean;
  readonly notes: OptionNotes;
}

/** Lists every option of a schema in declaration order. A block comes before its options. */
export function optionsOf(schema: z.core.$ZodType, path: readonly string[] = []): Option[] {
  const { core, ...peeled } = peel(schema);
  if (peeled.notes.misplaced) return [];
  const option = { path, ...peeled };
  const below = (inner: z.core.$ZodType, step: readonly string[]) =>
    optionsOf(inner, [...path, ...step]);
  if (core instanceof z.ZodObject) {
    const entries = Object.entries<z.core.$ZodType>(core.shape);
    const children = entries.flatMap(([key, inner]) => below(inner, [key]));
    return path.length > 0 && path.at(-1) !== '*'
      ? [{ ...option, kind: 'block' }, ...children]
      : children;
  }
  if (core instanceof z.ZodArray) {
    if (peel(core.element).notes.scalar) return [{ ...option, kind: 'list' }];
    return [{ ...option, kind: 'blocks' }, ...below(core.element, ['*'])];
  }
  return [{ ...option, kind: option.notes.scalar ? 'scalar' : 'map' }];
}

/** The options directly below a path of actual keys and indexes. */
export function optionsBelow(
  catalogue: readonly Option[],
  path: readonly (string | number)[],
): Option[] {
  const parent = path.map((key) => (typeof key === 'number' ? '*' : key));
  return catalogue.filter(
    (option) =>
      option.path.length === parent.length + 1 &&
      parent.every((key, depth) => option.path[depth] === key),
  );
}

interface Peeled extends Pick<
  Option,
  'description' | 'fallback' | 'isRequired' | 'mayBeFalse' | 'notes'
> {
  readonly core: z.core.$ZodType;
}

/** The combined metadata of a schema and its wrappers. The outermost takes precedence. */
function peel(schema: z.core.$ZodType): Peeled {
  const layers = layersOf(schema);
  const notes: OptionNotes & { description?: string } = Object.assign(
    {},
    ...layers.toReversed().map((layer) => z.globalRegistry.get(layer)),
  );
  if (notes.block && notes.block !== schema) return { ...peel(notes.block), mayBeFalse: true };
  const prefault = layers.find((layer) => layer instanceof z.ZodPrefault);
  return {
    core: layers.at(-1) ?? schema,
    notes,
    description: notes.description ?? '',
    fallback: prefault?.def.defaultValue,
    mayBeFalse: false,
    isRequired: !layers.some((l) => l instanceof z.ZodPrefault || l instanceof z.ZodOptional),
  };
}

function layersOf(schema: z.core.$ZodType): z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault)
    return [schema, ...layersOf(schema.def.innerType)];
  const isScalar = (z.globalRegistry.get(schema) as OptionNotes | undefined)?.scalar;
  return schema instanceof z.ZodPipe && !isScalar ? [schema, ...layersOf(schema.def.in)] : [schema];
}
