import { z } from 'zod';
import { publicOrigin } from './values/addresses.ts';
import { consistency } from './consistency.ts';
import { management, server } from './blocks/server.ts';
import { csrf, frontend, login, user } from './blocks/pages.ts';
import { basePath, localPath } from './values/paths.ts';
import { provider } from './blocks/provider.ts';
import { route } from './blocks/route.ts';
import { rateLimit } from './blocks/rate-limit.ts';
import { oneOf } from './values/scalar.ts';
import { redis, session } from './blocks/session.ts';

const noProvider = 'needs at least one provider with issuer and clientId (BFF_OIDC_ISSUER, …)';

/**
 * Everything that may be configured: the one source of types, defaults, environment names and the
 * documentation. Unknown keys are refused at every level, because a misspelt option is an option
 * that is not obeyed.
 */
export const optionsSchema = z
  .strictObject({
    publicUrl: publicOrigin().describe(
      'The application’s address as browsers see it, https without a path. Callbacks, cookies and origin checks are built from it alone, never from what a request says. `http://localhost` and `http://127.0.0.1` are for development.',
    ),
    server,
    management,
    basePath: basePath()
      .prefault('/bff')
      .describe(
        'Path below which the BFF’s own endpoints are. It is part of the callback addresses registered at the providers.',
      ),
    redis,
    session,
    providers: z
      .array(provider, { error: ({ input }) => (input === undefined ? noProvider : undefined) })
      .min(1, noProvider)
      .describe('The authorization servers people sign in at. The first is the default.'),
    routes: z
      .array(route)
      .prefault([])
      .describe('The APIs behind the BFF: which paths are forwarded where, and with which token.'),
    frontend,
    login,
    csrf,
    user,
    errorUrl: localPath()
      .optional()
      .describe(
        'Page of your application that shows errors of page navigations; it gets `?code=`. Without it, the BFF shows a plain page of its own.',
      ),
    logLevel: oneOf(['info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'])
      .prefault('info')
      .describe(
        'The least important kind of line that is logged. No level logs tokens, cookies or secrets.',
      ),
    rateLimit,
  })
  .check(...consistency);

/**
 * A complete, valid configuration: defaults filled in, durations in milliseconds, sizes in bytes.
 */
export type Options = Immutable<z.output<typeof optionsSchema>>;

/**
 * What a host application passes to `BffModule.forRoot`: the same names and spellings as in
 * `bff.yaml`.
 */
export type OptionsInput = Immutable<z.input<typeof optionsSchema>>;

/** The listener browsers reach. `tls` absent means plain HTTP, behind something that ends TLS. */
export type ServerOptions = Options['server'];

/** The listener for health. */
export type ManagementOptions = Options['management'];

/** One standalone Redis. Absent in `Options`: sessions live in the process's memory. */
export type RedisOptions = NonNullable<Options['redis']>;

/** Lifetimes in milliseconds, secrets newest first. */
export type SessionOptions = Options['session'];

/**
 * One authorization server. Absent endpoints are discovered; `issuer` is exactly what the operator
 * wrote.
 */
export type ProviderOptions = Options['providers'][number];

/** One forwarded path. `provider` absent means the first; `idleTimeout` absent means none. */
export type RouteOptions = Options['routes'][number];

/**
 * Exactly one of `directory` (absolute) and `url` is set; `contentSecurityPolicy` absent means the
 * strict default.
 */
export type FrontendOptions = NonNullable<Options['frontend']>;

/** The header that proves a call comes from our own pages. */
export type CsrfOptions = Options['csrf'];

/** What `/bff/user` answers. */
export type UserOptions = Options['user'];

type Immutable<T> = T extends object ? { readonly [Key in keyof T]: Immutable<T[Key]> } : T;
