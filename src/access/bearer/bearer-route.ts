import type { RouteOptions } from '../../config/options.ts';

/** What a route that accepts access tokens in `Authorization` asks of them. */
export interface BearerRoute {
  /** The resource identifier: the public URL of the route (RFC 8707, RFC 9728). */
  readonly resource: string;
  /** The address of the metadata of the resource. Clients find it in every challenge. */
  readonly metadataUrl: string;
  /** The scopes that a token must have, every one. */
  readonly scopes: readonly string[];
  /** Whether browsers cannot call it. */
  readonly isOnly: boolean;
}

/** Describes a route to callers with an access token. `undefined` if it accepts none. */
export function bearerRoute(
  { path, clients, scopes }: Pick<RouteOptions, 'path' | 'clients' | 'scopes'>,
  publicUrl: string,
): BearerRoute | undefined {
  if (!clients.includes('bearer')) return undefined;
  return {
    resource: publicUrl + path,
    metadataUrl: publicUrl + resourceMetadataPath(path),
    scopes,
    isOnly: !clients.includes('browser'),
  };
}

/** The path of the metadata document of a route (RFC 9728 §3.1). */
export function resourceMetadataPath(path: string): string {
  return `/.well-known/oauth-protected-resource${path === '/' ? '' : path}`;
}
