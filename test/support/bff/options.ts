import type { OptionsInput } from '../../../src/config/options.ts';
import type {
  AuthorizationServer,
  AuthorizationServerOptions,
} from '../authorization-server/authorization-server.ts';
import type { Handler } from '../upstream/responses.ts';
import type { TestTls } from '../network/tls.ts';
import type { TestRedis } from '../redis/redis.ts';
import type { Upstream } from '../upstream/upstream.ts';

type ProviderInput = OptionsInput['providers'][number];
type RouteInput = NonNullable<OptionsInput['routes']>[number];
type Part<T> = { readonly [Key in keyof T]?: T[Key] | undefined };

/** The servers behind a BFF under test, for options that depend on them. */
export interface Backends {
  readonly authorizationServer: AuthorizationServer;
  readonly upstream: Upstream;
}

/**
 * What differs from the default BFF of tests. Options of `bff.yaml` replace the defaults key by
 * key; `providers` and `routes` replace them as a whole, or are made from them by a function.
 */
export interface BffOverrides extends Part<
  Omit<
    OptionsInput,
    'providers' | 'routes' | 'server' | 'session' | 'management' | 'authorizationServer'
  >
> {
  readonly server?: Part<NonNullable<OptionsInput['server']>>;
  readonly session?: Part<OptionsInput['session']>;
  readonly management?: Part<NonNullable<OptionsInput['management']>>;
  /** Changes to the default provider, `corp`. */
  readonly provider?: Part<ProviderInput>;
  /** Changes to the default route, `/api`. */
  readonly route?: Part<RouteInput>;
  readonly providers?: Many<ProviderInput>;
  readonly routes?: Many<RouteInput>;
  /** The option `authorizationServer`: the BFF's own server for clients that are no browser. */
  readonly ownAuthorizationServer?: OptionsInput['authorizationServer'];
  /** `memory`: without Redis. */
  readonly store?: 'redis' | 'memory';
  /** The public URL is `https://localhost:PORT`, and the BFF speaks TLS itself. */
  readonly https?: boolean;
  /** The host in `publicUrl`; `localhost` when not given. */
  readonly host?: 'localhost' | '127.0.0.1';
  readonly clock?: () => number;
  /** A running one, which stays the caller's to close; or options for one of its own. */
  readonly authorizationServer?: AuthorizationServer | AuthorizationServerOptions;
  /** A running one, which stays the caller's to close; or a handler for one of its own. */
  readonly upstream?: Upstream | Handler;
}

type Many<T> = readonly T[] | ((usual: T, backends: Backends) => readonly T[]);

/** The ports and backends that the configuration of one BFF is made from. */
export interface BffEnvironment extends Backends {
  readonly port: number;
  readonly managementPort: number;
  readonly publicUrl: string;
  readonly redis: TestRedis | undefined;
  readonly tls: TestTls | undefined;
}

/** The configuration of a BFF under test, as `bff.yaml` would say it. */
export function bffOptions(overrides: BffOverrides, environment: BffEnvironment): OptionsInput {
  const {
    provider,
    route,
    providers = (usual: ProviderInput) => [usual],
    routes = (usual: RouteInput) => [usual],
    store: _store,
    https: _https,
    host: _host,
    clock: _clock,
    authorizationServer: _authorizationServer,
    upstream: _upstream,
    ownAuthorizationServer,
    server,
    session,
    management,
    redis,
    ...others
  } = overrides;
  return {
    publicUrl: environment.publicUrl,
    server: { port: environment.port, host: '127.0.0.1', ...tlsFiles(environment.tls), ...server },
    management: { port: environment.managementPort, ...management },
    session: { secrets: ['a session secret for tests, long enough'], ...session },
    ...(environment.redis && { redis: { ...redisOf(environment.redis), ...redis } }),
    providers: many(providers, usualProvider(environment, provider), environment),
    routes: many(routes, usualRoute(environment, route), environment),
    ...(ownAuthorizationServer && { authorizationServer: ownAuthorizationServer }),
    ...others,
  } as OptionsInput;
}

function many<T>(wanted: Many<T>, usual: T, backends: Backends): readonly T[] {
  return typeof wanted === 'function' ? wanted(usual, backends) : wanted;
}

function usualProvider(
  { authorizationServer }: BffEnvironment,
  changes: Part<ProviderInput> | undefined,
): ProviderInput {
  const { issuer, clientId, clientAuth, usesSecret, clientSecret } = authorizationServer;
  const secret = usesSecret ? { clientSecret } : {};
  const scopes = ['openid', 'profile', 'email', 'offline_access'];
  return {
    id: 'corp',
    issuer,
    clientId,
    clientAuth,
    ...secret,
    scopes,
    ...changes,
  } as ProviderInput;
}

function usualRoute(
  { upstream }: BffEnvironment,
  changes: Part<RouteInput> | undefined,
): RouteInput {
  return { path: '/api', upstream: upstream.url, ...changes } as RouteInput;
}

function redisOf({ url, keyPrefix }: TestRedis) {
  return { url, keyPrefix };
}

function tlsFiles(tls: TestTls | undefined) {
  return tls ? { tls: { cert: tls.certFile, key: tls.keyFile } } : {};
}
