import { createHash } from 'node:crypto';
import type { RouteOptions } from '../../config/options.ts';

/** How a route's own access token is requested. Routes with equal policies share their tokens. */
export interface TokenPolicy {
  /**
   * The grant: `resource` uses the user's refresh token with another resource or scope (RFC 8707,
   * RFC 6749 §6), `exchange` the user's access token (RFC 8693), and `client` the client's
   * credentials (RFC 6749 §4.4).
   */
  readonly kind: 'resource' | 'exchange' | 'client';
  /** The `id` of the provider that issues the token. */
  readonly provider: string;
  /** Equal for equal policies. Starts with the provider: `corp:…`. */
  readonly name: string;
  readonly resource?: string | undefined;
  readonly audience?: string | undefined;
  readonly scope?: string | undefined;
  readonly actor?: 'client' | undefined;
}

type RouteTokenOptions = Pick<
  RouteOptions,
  'token' | 'provider' | 'resource' | 'exchange' | 'scope'
>;

/** Returns the policy of a route. `undefined` if it sends the token of the sign-in or no token. */
export function routeTokenPolicy(
  { token, provider, resource, exchange, scope }: RouteTokenOptions,
  defaultProvider: string | undefined,
): TokenPolicy | undefined {
  const providerId = provider ?? defaultProvider;
  if (providerId === undefined || token === 'none') return undefined;
  if (token === 'client') return named({ kind: 'client', provider: providerId, resource, scope });
  if (exchange) return named({ kind: 'exchange', provider: providerId, ...exchange });
  if (resource === undefined && scope === undefined) return undefined;
  return named({ kind: 'resource', provider: providerId, resource, scope });
}

/**
 * Returns the policy of a user token that a host application requests. It equals that of a route
 * with the same options. `undefined` for the token of the sign-in. An `audience` means a token
 * exchange.
 */
export function hostTokenPolicy(
  { resource, audience, scope }: Pick<TokenPolicy, 'resource' | 'audience' | 'scope'>,
  provider: string,
): TokenPolicy | undefined {
  if (audience !== undefined)
    return named({ kind: 'exchange', provider, resource, audience, scope });
  if (resource === undefined && scope === undefined) return undefined;
  return named({ kind: 'resource', provider, resource, scope });
}

/** The policy for the client's own `actor_token` (RFC 8693 §2.1). */
export function ownTokenPolicy(provider: string): TokenPolicy {
  return named({ kind: 'client', provider });
}

/**
 * The resources and scopes that sign-ins at a provider must request, so that its refresh tokens
 * work for the routes' own tokens (RFC 8707 §2.1).
 */
export interface RouteNeeds {
  readonly resources: readonly string[];
  readonly scopes: readonly string[];
}

/** The combined needs of all routes with a user token from this provider. */
export function routeNeedsOf(
  provider: string,
  routes: readonly RouteTokenOptions[],
  defaultProvider: string | undefined,
): RouteNeeds {
  const policies = routes
    .map((route) => routeTokenPolicy(route, defaultProvider))
    .filter((policy) => policy?.kind === 'resource' && policy.provider === provider);
  return {
    resources: unique(policies.map((policy) => policy?.resource ?? [])),
    scopes: unique(policies.map((policy) => policy?.scope?.split(' ') ?? [])),
  };
}

function named(policy: Omit<TokenPolicy, 'name'>): TokenPolicy {
  const { kind, provider, resource, audience, scope, actor } = policy;
  const text = JSON.stringify([kind, resource, audience, scope, actor]);
  const hash = createHash('sha256').update(text).digest('base64url').slice(0, 22);
  return { ...policy, name: `${provider}:${hash}` };
}

function unique(values: readonly (string | readonly string[])[]): string[] {
  return [...new Set(values.flat())];
}
