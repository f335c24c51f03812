import { z } from 'zod';
import { publicOrigin } from './values/addresses.ts';
import { consistency } from './consistency.ts';
import { management, server } from './blocks/server.ts';
import { csrf, frontend, login, user } from './blocks/pages.ts';
import { authorizationServer } from './blocks/authorization-server.ts';
import { bearer } from './blocks/bearer.ts';
import { basePath, localPath } from './values/paths.ts';
import { provider } from './blocks/provider.ts';
import { route } from './blocks/route.ts';
import { rateLimit } from './blocks/rate-limit.ts';
import { oneOf } from './values/scalar.ts';
import { redis, session } from './blocks/session.ts';

const noProvider = 'needs at least one provider with issuer and clientId (BFF_OIDC_ISSUER, …)';

/**
 * The schema of all options: the only source of types, defaults, environment names and
 * documentation. Unknown keys are refused at every level, so that a misspelled option is not
 * ignored.
 */
export const optionsSchema = z
  .strictObject({
    publicUrl: publicOrigin().describe(
      'The application’s address as browsers see it, https without a path. Callbacks, ' +
        'cookies and origin checks use it, never a value from a request. `http://localhost` ' +
        'and `http://127.0.0.1` are for development.',
    ),
    server,
    management,
    basePath: basePath()
      .prefault('/bff')
      .describe(
        'Path of the BFF’s own endpoints. It is part of the callback addresses registered at ' +
          'the providers.',
      ),
    redis,
    session,
    providers: z
      .array(provider, { error: ({ input }) => (input === undefined ? noProvider : undefined) })
      .min(1, noProvider)
      .describe('The authorization servers where users sign in. The first is the default.'),
    routes: z
      .array(route)
      .prefault([])
      .describe('The APIs behind the BFF: which paths are forwarded where, and with which token.'),
    frontend,
    bearer,
    authorizationServer,
    login,
    csrf,
    user,
    errorUrl: localPath()
      .optional()
      .describe(
        'Page of your application that shows errors of page navigations; it gets `?code=`. By ' +
          'default the BFF shows a plain page of its own.',
      ),
    logLevel: oneOf(['info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'])
      .prefault('info')
      .describe('The lowest level that is logged. No level logs tokens, cookies or secrets.'),
    rateLimit,
  })
  .check(...consistency);

/**
 * Injects `Options`. Only the module and `bff.providers.ts` use it; each room
 * gets its own part of the options.
 */
export const OPTIONS = Symbol('options');

/** A valid configuration with defaults applied. Durations are in milliseconds, sizes in bytes. */
export type Options = Immutable<z.output<typeof optionsSchema>>;

/** The input of `BffModule.forRoot`, with the names and formats of `bff.yaml`. */
export type OptionsInput = Immutable<z.input<typeof optionsSchema>>;

/** The listener for browsers. Without `tls` it serves plain HTTP, behind a TLS proxy. */
export type ServerOptions = Options['server'];

/** The listener for health checks. */
export type ManagementOptions = Options['management'];

/** The Redis connection. Without it, sessions are stored in the memory of the process. */
export type RedisOptions = NonNullable<Options['redis']>;

/** The options of sessions. Lifetimes are in milliseconds. Secrets are ordered newest first. */
export type SessionOptions = Options['session'];

/** One authorization server. Missing endpoints are discovered. `issuer` is exactly as written. */
export type ProviderOptions = Options['providers'][number];

/** One route. `provider` defaults to the first provider, `idleTimeout` to no timeout. */
export type RouteOptions = Options['routes'][number];

/**
 * One rule over claims. It has a `claim` with exactly one of `any`, `all`, `equals`, `exists` and
 * `emailDomain`, or `anyOf`. Only rules of routes have `methods`.
 */
export type AccessRule = NonNullable<RouteOptions['require']>[number];

/**
 * One rule over claims as it is written in `login.require` and `@Require()`: a `claim` with exactly
 * one of `any`, `all`, `equals`, `exists` and `emailDomain`, or `anyOf` with a list of such
 * entries.
 */
export type SignInRule = NonNullable<NonNullable<OptionsInput['login']>['require']>[number];

/**
 * The frontend. Exactly one of `directory` (absolute) and `url` is set. `contentSecurityPolicy`
 * defaults to a strict policy.
 */
export type FrontendOptions = NonNullable<Options['frontend']>;

/** The HTTP hook, a service of the operator that can add claims to users or refuse them. */
export type HookOptions = NonNullable<Options['login']['hook']>;

/** Access tokens of other authorization servers that are accepted on routes for `bearer`. */
export type BearerOptions = NonNullable<Options['bearer']>;

/** The authorization server for clients of our own. Without it, there is none. */
export type AuthorizationServerOptions = NonNullable<Options['authorizationServer']>;

/** The header that proves that a request comes from our own pages. */
export type CsrfOptions = Options['csrf'];

/** The contents of the `/bff/user` response. */
export type UserOptions = Options['user'];

type Immutable<T> = T extends object ? { readonly [Key in keyof T]: Immutable<T[Key]> } : T;
