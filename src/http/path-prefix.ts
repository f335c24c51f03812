/**
 * Whether a path equals a prefix or is below it. Compares whole segments: `/apix` is not below
 * `/api`. Every path is below `/`.
 */
export function isBelow(path: string, prefix: string): boolean {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`);
}
