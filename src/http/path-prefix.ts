/**
 * Whether a path is a prefix's or lies below it, at a segment boundary: `/apix` is not below
 * `/api`. Everything is below `/`.
 */
export function isBelow(path: string, prefix: string): boolean {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`);
}
