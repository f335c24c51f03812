import { type BffClient, type BffClientOptions, createBffClient as create } from './client.ts';
import type { CsrfHeader } from './endpoints.ts';
import type { StandardClaims } from './user.ts';

export { BffClientError } from './client-error.ts';

/** The BFF replaces this name by its `csrf` option when it serves this module. */
declare const PIXIE_BFF_CSRF: CsrfHeader;

/**
 * `createBffClient` of the module that the BFF serves. It knows the CSRF header of its BFF, and the
 * path of the endpoints by its own address, whatever proxies have put before it.
 */
export function createBffClient<Claims extends object = StandardClaims>(
  options: BffClientOptions = {},
): BffClient<Claims> {
  const basePath = new URL('.', import.meta.url).pathname.slice(0, -1);
  return create({ basePath, csrf: PIXIE_BFF_CSRF, ...options });
}
