import type { HeaderList } from '../../../src/proxy/headers/request-headers.ts';

/**
 * Headers by their names. Throws when a name comes twice, which two readers could understand
 * differently.
 */
export function byName(list: HeaderList): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (let index = 0; index < list.length; index += 2) {
    const name = String(list[index]);
    if (name in headers) throw new Error(`${name} comes twice`);
    headers[name] = list[index + 1] ?? '';
  }
  return headers;
}
