import type { AuthorizationServerOptions, Options } from '../config/options.ts';

/** Injects `AuthorizationServerRoomOptions`, or `undefined` without an authorization server. */
export const AUTHORIZATION_SERVER_OPTIONS = Symbol('authorization server options');

/** The part of the configuration that the authorization server for our own clients uses. */
export interface AuthorizationServerRoomOptions extends AuthorizationServerOptions {
  /** The public origin, as clients see it. */
  readonly publicUrl: string;
  readonly basePath: string;
  /** The routes that accept handles: by resource (RFC 8707), their scopes. */
  readonly resources: ReadonlyMap<string, readonly string[]>;
  /** The session secrets, newest first. They sign the cookies of authorization requests. */
  readonly secrets: readonly string[];
  /** `server.trustedProxies`. */
  readonly trustedProxies: readonly string[];
  /** Whether a user who signs in gets a choice of providers. */
  readonly offersChoice: boolean;
}

/** The path below `basePath` of everything that the authorization server has. */
export const mountName = 'oauth';

/** The issuer identifier (RFC 8414 §2). All endpoints are below it. */
export function issuerOf({
  publicUrl,
  basePath,
}: Pick<AuthorizationServerRoomOptions, 'publicUrl' | 'basePath'>): string {
  return `${publicUrl}${basePath}/${mountName}`;
}

/** The path of the metadata document: the well-known prefix, then the path of the issuer. */
export function metadataPath(basePath: string): string {
  return `/.well-known/oauth-authorization-server${basePath}/${mountName}`;
}

/** Every scope that exists: those of routes and those of clients. */
export function scopesOf({ resources, clients }: AuthorizationServerRoomOptions): string[] {
  const scopes = [...resources.values(), ...clients.map((client) => client.scopes ?? [])].flat();
  return [...new Set(scopes)];
}

/** The options of this room. `undefined` if no authorization server is configured. */
export function authorizationServerOptions({
  authorizationServer,
  publicUrl,
  basePath,
  routes,
  server: { trustedProxies },
  session: { secrets },
  login: { chooser: offersChoice },
}: Options): AuthorizationServerRoomOptions | undefined {
  const resources = new Map(
    routes
      .filter(({ clients }) => clients.includes('bearer'))
      .map(({ path, scopes }) => [publicUrl + path, scopes]),
  );
  const own = { publicUrl, basePath, secrets, trustedProxies, offersChoice, resources };
  return authorizationServer && { ...authorizationServer, ...own };
}
