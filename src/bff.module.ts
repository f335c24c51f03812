import {
  type DynamicModule,
  Inject,
  type MiddlewareConsumer,
  Module,
  type ModuleMetadata,
  type NestModule,
  type OnApplicationShutdown,
  RequestMethod,
} from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { EndpointsMiddleware } from './auth/endpoints.middleware.ts';
import { LoginController } from './auth/login.controller.ts';
import { LogoutController } from './auth/logout.controller.ts';
import { UserController } from './auth/user.controller.ts';
import { bffProviders, OPTIONS, STORE } from './bff.providers.ts';
import { parseOptions } from './config/load.ts';
import type { Options, OptionsInput } from './config/options.ts';
import { FrontendMiddleware } from './frontend/frontend.middleware.ts';
import { ProxyMiddleware } from './proxy/proxy.middleware.ts';
import { ResponseHeadersMiddleware } from './response-headers.middleware.ts';
import { CsrfMiddleware } from './session/csrf.middleware.ts';
import type { KeyValueStore } from './session/key-value-store.ts';
import { SessionReader } from './session/session-reader.service.ts';
import { SessionMiddleware } from './session/session.middleware.ts';
import { SESSION_OPTIONS } from './session/session-options.ts';
import { SignedInGuard } from './session/signed-in.guard.ts';

/** Options that another module of the host application provides. */
export interface BffAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /** Where the endpoints are; it must be known before the other options. Absent: `/bff`. */
  readonly basePath?: string;
  readonly inject?: readonly unknown[];
  readonly useFactory: (...injected: never[]) => OptionsInput | Promise<OptionsInput>;
}

/** The Backend-for-Frontend as a module of a NestJS application on `@nestjs/platform-express` with `bodyParser: false`. */
@Module({})
export class BffModule implements NestModule, OnApplicationShutdown {
  constructor(
    @Inject(OPTIONS) private readonly options: Options,
    @Inject(STORE) private readonly store: KeyValueStore,
  ) {}

  /** With options in the spelling of `bff.yaml`. Throws `ConfigurationError`, which names every mistake. */
  static forRoot(input: OptionsInput): DynamicModule {
    return this.withOptions(parseOptions(input));
  }

  /** With options from a factory. Throws `ConfigurationError` when the application starts. */
  static forRootAsync({ basePath = '/bff', ...async }: BffAsyncOptions): DynamicModule {
    const useFactory = async.useFactory as (...injected: unknown[]) => Promise<OptionsInput>;
    return describeModule(basePath, async.imports, {
      provide: OPTIONS,
      inject: [...(async.inject ?? [])] as never[],
      useFactory: async (...injected: unknown[]) =>
        parseOptions({ ...(await useFactory(...injected)), basePath }),
    });
  }

  /** With options that are complete and valid already. */
  static withOptions(options: Options): DynamicModule {
    return describeModule(options.basePath, [], { provide: OPTIONS, useValue: options });
  }

  /** The request pipeline. Its order is policy. */
  configure(consumer: MiddlewareConsumer): void {
    const { basePath } = this.options;
    const everything = '{*path}';
    consumer
      .apply(ResponseHeadersMiddleware, ProxyMiddleware, EndpointsMiddleware)
      .forRoutes(everything)
      .apply(CsrfMiddleware)
      .forRoutes(
        { path: `${basePath}/user`, method: RequestMethod.GET },
        { path: `${basePath}/logout`, method: RequestMethod.POST },
      )
      .apply(SessionMiddleware)
      .forRoutes(`${basePath}/{*path}`)
      .apply(FrontendMiddleware)
      .forRoutes(everything);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.store.close();
  }
}

function describeModule(
  basePath: string,
  imports: ModuleMetadata['imports'] = [],
  options: NonNullable<ModuleMetadata['providers']>[number],
): DynamicModule {
  return {
    module: BffModule,
    imports: [...imports, RouterModule.register([{ path: basePath, module: BffModule }])],
    controllers: [LoginController, UserController, LogoutController],
    providers: [options, ...bffProviders],
    exports: [SessionReader, SignedInGuard, SESSION_OPTIONS],
  };
}
