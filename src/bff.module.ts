import type { Server } from 'node:http';
import {
  type DynamicModule,
  type FactoryProvider,
  Inject,
  Module,
  type ModuleMetadata,
  type NestMiddleware,
  type NestModule,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider as NestProvider,
  type Type,
} from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, ModuleRef, RouterModule } from '@nestjs/core';
import type { Application } from 'express';
import { AccessService } from './access/access.service.ts';
import { BffService } from './access/bff.service.ts';
import { authControllers } from './auth/auth.providers.ts';
import { allowedMethods, endpointNames, EndpointsMiddleware } from './auth/endpoints.middleware.ts';
import { AuthorizationServerMiddleware } from './authorization-server/authorization-server.middleware.ts';
import { WellKnownMiddleware } from './authorization-server/well-known.middleware.ts';
import { authorizationServerControllers } from './authorization-server/authorization-server.providers.ts';
import { bffProviders, type HostOptions, IS_EMBEDDED } from './bff.providers.ts';
import { ConfigurationError, parseOptions } from './config/load.ts';
import { OPTIONS, type Options, type OptionsInput } from './config/options.ts';
import { ClientScriptMiddleware } from './frontend/client-script.middleware.ts';
import { FrontendMiddleware } from './frontend/frontend.middleware.ts';
import { FrontendBodiesMiddleware } from './proxy/frontend-bodies.middleware.ts';
import { FrontendProxyMiddleware } from './proxy/frontend-proxy.middleware.ts';
import { WebSocketHandshakes } from './proxy/forward/websocket-handshakes.ts';
import { Recorder } from './telemetry/recorder.ts';
import { countRequests } from './telemetry/request-metrics.ts';
import { checkProfiles } from './oauth/provider/profile-checks.ts';
import { ProviderRegistry } from './oauth/provider-registry.ts';
import { HOOKS } from './oauth/hook/bff-hooks.ts';
import {
  exemptFromGlobalPrefix,
  mountPipeline,
  type PipelineStep,
  refuseControllersBelow,
} from './http/pipeline.middleware.ts';
import { mountFallback } from './http/fallback.middleware.ts';
import { ProblemFilter } from './http/problem.filter.ts';
import { ProxyMiddleware } from './proxy/proxy.middleware.ts';
import { ResponseHeadersMiddleware } from './http/response-headers.middleware.ts';
import { CsrfMiddleware } from './session/cookie/csrf.middleware.ts';
import { KEY_VALUE_STORE, type KeyValueStore } from './session/store/key-value-store.ts';
import { exemptFromBodyParsers } from './http/body-parsers.ts';
import { SessionReaderService } from './session/sessions/session-reader.service.ts';
import { SessionMiddleware } from './session/cookie/session.middleware.ts';
import { SESSION_OPTIONS } from './session/session-options.ts';
import { SignedInGuard } from './access/signed-in.guard.ts';

/** Options for `BffModule.forRootAsync`: a factory, and the providers to inject into it. */
export interface BffAsyncOptions
  extends
    Pick<ModuleMetadata, 'imports'>,
    Pick<FactoryProvider<OptionsInput>, 'inject' | 'useFactory'> {
  /**
   * The path of the endpoints, which NestJS needs before it runs the factory. Defaults to `/bff`.
   */
  readonly basePath?: string;
  /** Creates what `forRoot` has as second argument. Gets the same providers as `useFactory`. */
  readonly useHooks?: (...injected: never[]) => HostOptions | Promise<HostOptions>;
}

/**
 * The Backend-for-Frontend as a module of a NestJS application. The application must use
 * `@nestjs/platform-express`. Import the module once; `SignedInGuard` then works in every module.
 */
@Module({})
export class BffModule implements NestModule, OnModuleInit, OnApplicationShutdown {
  /** The number of router layers up to the end of the pipeline. */
  #pipelineLayers = 0;

  constructor(
    @Inject(OPTIONS) private readonly options: Options,
    @Inject(HOOKS) private readonly hooks: HostOptions,
    @Inject(IS_EMBEDDED) private readonly isEmbedded: boolean,
    @Inject(KEY_VALUE_STORE) private readonly store: KeyValueStore,
    private readonly adapterHost: HttpAdapterHost,
    private readonly handshakes: WebSocketHandshakes,
    private readonly recorder: Recorder,
    private readonly providers: ProviderRegistry,
    private readonly problems: ProblemFilter,
    private readonly applicationConfig: ApplicationConfig,
    private readonly moduleRef: ModuleRef,
  ) {}

  /**
   * Creates the module from options in the format of `bff.yaml`, and what the host application
   * gives in code. Throws a `ConfigurationError` that lists every mistake.
   */
  static forRoot(input: OptionsInput, hooks: HostOptions = {}): DynamicModule {
    const options = parseOptions(input);
    return describeModule(options.basePath, [], valuesOf(options, hooks), true);
  }

  /**
   * Creates the module from options that a factory returns. If they are invalid, the application
   * fails to start with a `ConfigurationError` that lists every mistake.
   */
  static forRootAsync(async: BffAsyncOptions): DynamicModule {
    const { basePath = '/bff', imports, inject = [], useFactory, useHooks = () => ({}) } = async;
    const options = {
      provide: OPTIONS,
      inject,
      useFactory: async (...injected: unknown[]) =>
        parseOptions(withBasePath(basePath, await useFactory(...injected))),
    };
    const hooks = { provide: HOOKS, inject, useFactory: useHooks as () => HostOptions };
    return describeModule(basePath, imports, [options, hooks], true);
  }

  /** Creates the root module of a server of its own, from complete and validated options. */
  static withOptions(options: Options): DynamicModule {
    return describeModule(options.basePath, [], valuesOf(options, {}), false);
  }

  /** Called by NestJS before it mounts any middleware or controller. */
  configure(): void {
    const { basePath } = this.options;
    const { httpAdapter } = this.adapterHost;
    // WebSocket handshakes enter the same pipeline as requests.
    this.handshakes.listenTo(httpAdapter.getHttpServer());
    countRequests(httpAdapter.getHttpServer() as Server, this.recorder);
    const express = httpAdapter.getInstance<Application>();
    mountPipeline(express, this.#pipeline(), this.problems);
    // Where NestJS has them by default. It skips those that the application has already.
    if (this.hooks.bodyParser ?? this.isEmbedded) httpAdapter.registerParserMiddleware('', true);
    exemptFromBodyParsers(express.router.stack, basePath);
    this.#pipelineLayers = express.router.stack.length;
    const taken = [basePath, ...this.options.routes.map(({ path }) => path)];
    exemptFromGlobalPrefix(this.applicationConfig, basePath, endpointNames, taken);
  }

  /** The request pipeline. The order of its steps is a security decision. */
  #pipeline(): PipelineStep[] {
    const { basePath } = this.options;
    const step = (type: Type<NestMiddleware>) => ({ middleware: this.moduleRef.get(type) });
    return [
      step(ResponseHeadersMiddleware),
      step(ProxyMiddleware),
      step(WellKnownMiddleware),
      step(EndpointsMiddleware),
      step(ClientScriptMiddleware),
      { ...step(AuthorizationServerMiddleware), endpoints: [['use', `${basePath}/oauth`]] },
      {
        ...step(CsrfMiddleware),
        endpoints: [
          ['get', `${basePath}/user`],
          ['post', `${basePath}/refresh`],
          ['post', `${basePath}/logout`],
          ['all', `${basePath}/sessions`],
          ['all', `${basePath}/sessions/:id`],
          ['post', `${basePath}/disconnect/:provider`],
        ],
      },
      { ...step(SessionMiddleware), endpoints: [['use', basePath]] },
      step(this.isEmbedded ? FrontendBodiesMiddleware : FrontendMiddleware),
    ];
  }

  /**
   * Called by NestJS after it has mounted all controllers. Throws `ConfigurationError` for a
   * provider that does not satisfy its profile, and an error for a controller of the host
   * application below `basePath`.
   */
  async onModuleInit(): Promise<void> {
    const express = this.adapterHost.httpAdapter.getInstance<Application>();
    const controllers = express.router.stack.slice(this.#pipelineLayers);
    refuseControllersBelow(this.options.basePath, allowedMethods, controllers);
    if (this.isEmbedded) this.#mountFrontend(express);
    await checkProfiles(this.providers.all);
  }

  #mountFrontend(express: Application): void {
    const { frontend } = this.options;
    const middleware = frontend?.url ? FrontendProxyMiddleware : FrontendMiddleware;
    if (frontend) mountFallback(express, this.moduleRef.get(middleware), this.problems);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.store.close();
  }
}

const pipelineMiddlewares = [
  ResponseHeadersMiddleware,
  ProxyMiddleware,
  EndpointsMiddleware,
  ClientScriptMiddleware,
  CsrfMiddleware,
  SessionMiddleware,
  FrontendMiddleware,
  FrontendBodiesMiddleware,
  FrontendProxyMiddleware,
];

const valuesOf = (options: Options, hooks: HostOptions): NestProvider[] => [
  { provide: OPTIONS, useValue: options },
  { provide: HOOKS, useValue: hooks },
];

function describeModule(
  basePath: string,
  imports: ModuleMetadata['imports'] = [],
  options: readonly NestProvider[],
  isEmbedded: boolean,
): DynamicModule {
  return {
    module: BffModule,
    global: true,
    imports: [...imports, RouterModule.register([{ path: basePath, module: BffModule }])],
    controllers: [...authControllers, ...authorizationServerControllers],
    providers: [
      ...options,
      { provide: IS_EMBEDDED, useValue: isEmbedded },
      ...bffProviders,
      ...pipelineMiddlewares,
    ],
    exports: [BffService, SessionReaderService, AccessService, SignedInGuard, SESSION_OPTIONS],
  };
}

/**
 * Sets the base path. The endpoints are mounted before the factory runs, so it cannot move them.
 */
function withBasePath(basePath: string, input: OptionsInput): OptionsInput {
  const { basePath: given = basePath } = input;
  if (given === basePath) return { ...input, basePath };
  const message = `is ${given}, but must be given beside useFactory, not by it`;
  throw new ConfigurationError([{ path: ['basePath'], message }]);
}
