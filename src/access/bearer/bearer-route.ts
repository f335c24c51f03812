import type { RouteOptions } from '../../config/options.ts';

/** The well-known prefix of the metadata of protected resources (RFC 9728 §3). */
export const protectedResourcePrefix = '/.well-known/oauth-protected-resource';

/** A route that accepts access tokens: a protected resource (RFC 9728 §1.2). */
export interface BearerRoute {
  readonly path: string;
  /** The resource identifier: the public address of the route. */
  readonly resource: string;
  /** The scopes that a token must have, every one. */
  readonly scopes: readonly string[];
  /** Whether requests without `Authorization` are those of a browser. */
  readonly admitsBrowsers: boolean;
  /** The path of the metadata of the resource. */
  readonly metadataPath: string;
  /** The absolute URL of the metadata of the resource. */
  readonly metadataUrl: string;
}

/** Prepares a route for callers with an access token. `undefined` if it accepts none. */
export function bearerRoute(
  { path, clients, scopes }: Pick<RouteOptions, 'path' | 'clients' | 'scopes'>,
  publicUrl: string,
): BearerRoute | undefined {
  if (!clients.includes('bearer')) return undefined;
  const metadataPath = metadataPathOf(path);
  return {
    path,
    resource: publicUrl + path,
    scopes,
    admitsBrowsers: clients.includes('browser'),
    metadataPath,
    metadataUrl: publicUrl + metadataPath,
  };
}

/**
 * The path of the metadata of a route. "Any terminating slash following the host component MUST be
 * removed before inserting" the prefix (RFC 9728 §3.1).
 */
function metadataPathOf(path: string): string {
  return path === '/' ? protectedResourcePrefix : protectedResourcePrefix + path;
}
