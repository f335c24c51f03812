import type { Path } from '../mistakes.ts';

/** Copies a tree and replaces every string value. Keys stay unchanged. */
export function mapStrings(
  tree: unknown,
  replace: (text: string, path: Path) => string,
  path: Path = [],
): unknown {
  if (typeof tree === 'string') return replace(tree, path);
  if (Array.isArray(tree))
    return tree.map((entry, index) => mapStrings(entry, replace, [...path, index]));
  if (!isBlock(tree)) return tree;
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => [key, mapStrings(value, replace, [...path, key])]),
  );
}

/** The value at a path, or `undefined` if the path does not exist. */
export function valueAt(tree: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (node, key) =>
      (isBlock(node) || Array.isArray(node)) && Object.hasOwn(node, key)
        ? (node as Record<string | number, unknown>)[key]
        : undefined,
    tree,
  );
}

/**
 * A copy of the tree with the value set at the path. If the path leads through something other than
 * a block, that stays and is reported later.
 */
export function withValue(tree: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(tree) && typeof key === 'number')
    return Object.assign([...tree], { [key]: withValue(tree[key], rest, value) });
  if (tree !== undefined && !isBlock(tree)) return tree;
  return { ...tree, [key]: withValue(tree?.[key], rest, value) };
}

/** Expands a pattern: each `*` stands for every existing entry of a list. */
export function pathsLike(tree: unknown, pattern: Path): Path[] {
  const star = pattern.indexOf('*');
  if (star < 0) return [pattern];
  const before = pattern.slice(0, star);
  const list = valueAt(tree, before);
  if (!Array.isArray(list)) return [];
  const after = pattern.slice(star + 1);
  return list.flatMap((_, index) => pathsLike(tree, [...before, index, ...after]));
}

/** Whether a value is a block: a YAML mapping or a plain object. Lists are not. */
export function isBlock(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
