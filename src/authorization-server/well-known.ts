import { bearerRoute, protectedResourcePrefix } from '../access/bearer/bearer-route.ts';
import type { BearerRoute } from '../access/bearer/bearer-route.ts';
import type { Options } from '../config/options.ts';
import {
  authorizationServerOptions,
  issuerOf,
  metadataPath,
} from './authorization-server-options.ts';
import { dpopAlgorithms } from '../oauth/bearer/dpop-proofs.ts';
import { authorizationServerMetadata } from './metadata.ts';

/** The documents below `/.well-known/` by which clients find our routes. */
export interface WellKnown {
  /** Where they are. No route and no frontend gets requests to these paths or below. */
  readonly prefixes: readonly string[];
  /** In JSON, by path. */
  readonly documents: ReadonlyMap<string, string>;
}

/** Injects `WellKnown`. */
export const WELL_KNOWN = Symbol('well-known documents');

/**
 * Creates the metadata of each route that accepts access tokens (RFC 9728 §2), and of our own
 * authorization server (RFC 8414 §2). There is none unless they are configured.
 */
export function wellKnown(options: Options): WellKnown {
  const own = authorizationServerOptions(options);
  const routes = bearerRoutesOf(options);
  const issuers = options.bearer?.issuers.map(({ issuer }) => issuer) ?? [];
  const servers = own ? [issuerOf(own), ...issuers] : issuers;
  const documents = new Map<string, object>();
  for (const route of routes) documents.set(route.metadataPath, resourceMetadata(route, servers));
  const prefixes = routes.length > 0 ? [protectedResourcePrefix] : [];
  if (own) {
    const path = metadataPath(own.basePath);
    documents.set(path, authorizationServerMetadata(own));
    prefixes.push(path);
  }
  const texts = [...documents].map(([path, document]) => [path, JSON.stringify(document)] as const);
  return { prefixes, documents: new Map(texts) };
}

function bearerRoutesOf({ routes, publicUrl }: Options): BearerRoute[] {
  return routes.flatMap((route) => bearerRoute(route, publicUrl) ?? []);
}

/** The metadata of a protected resource (RFC 9728 §2). */
function resourceMetadata({ resource, scopes }: BearerRoute, servers: readonly string[]): object {
  return {
    resource,
    authorization_servers: servers,
    scopes_supported: scopes,
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: dpopAlgorithms,
  };
}
