import { createHash } from 'node:crypto';
import type { RouteOptions } from '../../config/options.ts';

/** What a route's own access token is asked for. Routes with equal policies share their tokens. */
export interface TokenPolicy {
  /**
   * How it is asked for: `resource` by the user's refresh token, for another resource or scope (RFC
   * 8707, RFC 6749 §6); `exchange` by the user's access token (RFC 8693); `client` by our own
   * credentials (RFC 6749 §4.4).
   */
  readonly kind: 'resource' | 'exchange' | 'client';
  /** The `id` of the provider that is asked. */
  readonly provider: string;
  /** The same for equal policies, with the provider in front: `corp:…`. */
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

/**
 * The policy of a route. Absent: it has no token of its own, but that of the sign-in, or none at
 * all.
 */
export function tokenPolicyOf(
  { token, provider, resource, exchange, scope }: RouteTokenOptions,
  defaultProvider: string | undefined,
): TokenPolicy | undefined {
  const whose = provider ?? defaultProvider;
  if (whose === undefined || token === 'none') return undefined;
  if (token === 'client') return named({ kind: 'client', provider: whose, resource, scope });
  if (exchange) return named({ kind: 'exchange', provider: whose, ...exchange });
  if (resource === undefined && scope === undefined) return undefined;
  return named({ kind: 'resource', provider: whose, resource, scope });
}

/** The policy of the token by which we say who we are: `actor_token` (RFC 8693 §2.1). */
export function ownTokenPolicy(provider: string): TokenPolicy {
  return named({ kind: 'client', provider });
}

/**
 * What the sign-ins at a provider must ask for, so that its refresh tokens are good for the routes'
 * own tokens (RFC 8707 §2.1).
 */
export interface RouteNeeds {
  readonly resources: readonly string[];
  readonly scopes: readonly string[];
}

/** The needs of all routes that have a user's token of this provider. */
export function routeNeedsOf(
  provider: string,
  routes: readonly RouteTokenOptions[],
  defaultProvider: string | undefined,
): RouteNeeds {
  const policies = routes
    .map((route) => tokenPolicyOf(route, defaultProvider))
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
