import type { KoaContextWithOIDC } from 'oidc-provider';
import { type AuthorizationServerRoomOptions, scopesOf } from '../authorization-server-options.ts';

/**
 * A scope that every grant has and that no client sees: the library issues nothing without a scope,
 * but routes need none.
 */
export const baseScope = 'pixie-bff';

/**
 * Adds the scopes that a client did not ask for: all of its own if it named none (RFC 6749 §3.3),
 * and always the base scope. Called by the library while it validates a request.
 */
export function completeScope(
  { oidc: { params, client } }: KoaContextWithOIDC,
  options: AuthorizationServerRoomOptions,
): void {
  if (!params) return;
  const requested = namesOf(params['scope']);
  const own = namesOf(client?.scope);
  const wanted = requested.length > 0 ? requested : own.length > 0 ? own : scopesOf(options);
  params['scope'] = [...new Set([...wanted, baseScope])].join(' ');
}

/** Returns the scopes that a client may see. */
export function withoutBaseScope(scope: string | undefined): string[] {
  return namesOf(scope).filter((name) => name !== baseScope);
}

function namesOf(scope: unknown): string[] {
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
}
