import type { BearerOptions, RouteOptions } from '../../config/options.ts';
import { dpopAlgorithms } from '../../oauth/bearer/dpop-proofs.ts';
import { bearerRoute, resourceMetadataPath } from './bearer-route.ts';

/** What the metadata of protected resources is made of. */
export interface ProtectedResources {
  readonly publicUrl: string;
  readonly routes: readonly RouteOptions[];
  readonly bearer?: BearerOptions | undefined;
  /** The issuer of our own authorization server. `undefined` if there is none. */
  readonly ownIssuer: string | undefined;
}

/** Returns the metadata documents of all bearer routes by path (RFC 9728 §2). */
export function protectedResourceDocuments({
  publicUrl,
  routes,
  bearer,
  ownIssuer,
}: ProtectedResources): (readonly [path: string, document: object])[] {
  const issuers = [ownIssuer, ...(bearer?.issuers ?? []).map(({ issuer }) => issuer)];
  return routes.flatMap((options) => {
    const route = bearerRoute(options, publicUrl);
    if (!route) return [];
    const document = {
      resource: route.resource,
      authorization_servers: issuers.filter((issuer) => issuer !== undefined),
      scopes_supported: route.scopes,
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: dpopAlgorithms,
    };
    return [[resourceMetadataPath(options.path), document] as const];
  });
}
