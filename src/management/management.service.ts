import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { ManagementOptions } from '../config/options.ts';
import { ProviderRegistry } from '../oauth/provider-registry.ts';
import { KEY_VALUE_STORE, type KeyValueStore } from '../session/store/key-value-store.ts';
import { SessionCache } from '../session/sessions/session-cache.ts';
import { SignedInSessionsService } from '../session/sessions/signed-in-sessions.service.ts';
import {
  type ManagementResponse,
  draining,
  pathOf,
  type ManagementRequest,
  refuseUnlessRead,
  jsonResponse,
} from './management-request.ts';
import { ManagementListener } from './management-listener.ts';
import { metricsResponse, nodeMetrics, type ProcessMetrics } from '../telemetry/metrics.ts';
import { readiness } from './readiness.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { type AccessListener, SessionAdministration } from './session-administration.ts';

/** Injects `ManagementRoomOptions`. */
export const MANAGEMENT_OPTIONS = Symbol('management options');

/**
 * Injects whether this process opens the management listener. A worker does not; the primary
 * forwards requests to it.
 */
export const MANAGEMENT_LISTENS = Symbol('management listens');

/** The options of the `management` room. */
export interface ManagementRoomOptions {
  readonly listen: ManagementOptions;
  readonly storeName: 'redis' | 'memory' | 'store';
}

/**
 * The listener for operators on its own port: `/livez`, `/readyz`, `/metrics` and, if a token is
 * configured, `/sessions`.
 */
@Injectable()
export class ManagementService
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  // The context is part of the log's format.
  readonly #logger = new Logger('ManagementServer');
  readonly #listener: ManagementListener | undefined;
  readonly #administration: SessionAdministration;
  #isDraining = false;

  constructor(
    @Inject(MANAGEMENT_OPTIONS) private readonly options: ManagementRoomOptions,
    @Inject(MANAGEMENT_LISTENS) listens: boolean,
    @Inject(KEY_VALUE_STORE) private readonly store: KeyValueStore,
    private readonly providers: ProviderRegistry,
    private readonly recorder: Recorder,
    cache: SessionCache,
    sessions: SignedInSessionsService,
  ) {
    recorder.watchCache(() => cache.figures);
    const { token } = options.listen;
    const log: AccessListener = (access) => this.#note(access);
    this.#administration = new SessionAdministration(sessions, providers, token, log);
    const respond = (request: ManagementRequest) => this.respond(request);
    const onError = (error: unknown) => this.#logger.error({ msg: 'no response', err: error });
    this.#listener = listens ? new ManagementListener(options.listen, respond, onError) : undefined;
  }

  /** Opens the listener. Throws `ConfigurationError` if it cannot listen on the address. */
  async onApplicationBootstrap(): Promise<void> {
    await this.#listener?.open();
  }

  /**
   * Keeps listening while pending requests finish, and makes `/readyz` report that the server is
   * draining.
   */
  beforeApplicationShutdown(): void {
    this.#isDraining = true;
  }

  onApplicationShutdown(): void {
    this.#listener?.close();
  }

  /** Returns the response to a management request. With several processes the primary calls it. */
  async respond(request: ManagementRequest): Promise<ManagementResponse> {
    return (await this.#administration.respond(request)) ?? this.#health(request);
  }

  /** Returns all metrics of this process. */
  async metrics(): Promise<ProcessMetrics> {
    return [...(await this.recorder.read()), ...(await nodeMetrics())];
  }

  async #health(request: ManagementRequest): Promise<ManagementResponse> {
    const path = pathOf(request);
    if (!['/livez', '/readyz', '/metrics'].includes(path)) return jsonResponse(404, 'not found');
    const refusal = refuseUnlessRead(request);
    if (refusal) return refusal;
    if (path === '/livez') return jsonResponse(200, 'ok');
    if (path === '/metrics') return metricsResponse([await this.metrics()]);
    if (this.#isDraining) return draining();
    const { status, checks } = await readiness(
      { store: this.store, storeName: this.options.storeName },
      this.providers,
    );
    return jsonResponse(status === 'unavailable' ? 503 : 200, status, { checks });
  }

  #note(access: Parameters<AccessListener>[0]): void {
    switch (access.kind) {
      case 'listed':
      case 'ended': {
        const { kind, subjects, sessions } = access;
        if (kind === 'ended') this.recorder.sessionsEnded('operator', sessions);
        return this.#logger.log({ msg: `sessions ${kind} by the operator`, subjects, sessions });
      }
      case 'refused':
        return this.#logger.warn({ msg: 'session administration without the token refused' });
      case 'failed':
        return this.#logger.error({ msg: 'session administration failed', err: access.error });
    }
  }
}
