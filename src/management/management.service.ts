import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { ManagementOptions } from '../config/options.ts';
import { Providers } from '../oauth/providers.ts';
import type { KeyValueStore } from '../session/store/key-value-store.ts';
import { SessionCache } from '../session/sessions/session-cache.ts';
import { SignedInSessionsService } from '../session/sessions/signed-in-sessions.service.ts';
import {
  type ManagementResponse,
  draining,
  pathOf,
  type ManagementRequest,
  refuseToChange,
  jsonResponse,
} from './management-request.ts';
import type { Metric } from '../telemetry/metric.ts';
import { ManagementListener } from './management-listener.ts';
import { cacheMetrics, metricsResponse, processMetrics } from '../telemetry/metrics.ts';
import { readiness } from './readiness.ts';
import { Recorder } from '../telemetry/recorder.ts';
import { type AccessListener, SessionAdministration } from './session-administration.ts';

/** Injects `ManagementRoomOptions`. */
export const MANAGEMENT_OPTIONS = Symbol('management options');

/**
 * Injects whether this process listens for the operator. One of several does not: their primary
 * asks it.
 */
export const MANAGEMENT_LISTENS = Symbol('management listens');

/** What this room works with. */
export interface ManagementRoomOptions {
  readonly listen: ManagementOptions;
  readonly store: KeyValueStore;
  readonly storeName: 'redis' | 'memory';
}

/**
 * The operator's listener, on a port of its own: `/livez`, `/readyz`, `/metrics` and, with a token,
 * `/sessions`.
 */
@Injectable()
export class ManagementServer
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly #logger = new Logger(ManagementServer.name);
  readonly #listener: ManagementListener | undefined;
  readonly #administration: SessionAdministration;
  #isDraining = false;

  constructor(
    @Inject(MANAGEMENT_OPTIONS) private readonly options: ManagementRoomOptions,
    @Inject(MANAGEMENT_LISTENS) listens: boolean,
    private readonly providers: Providers,
    private readonly recorder: Recorder,
    private readonly cache: SessionCache,
    sessions: SignedInSessionsService,
  ) {
    const { token } = options.listen;
    const log: AccessListener = (access) => this.#note(access);
    this.#administration = new SessionAdministration(sessions, providers, token, log);
    const answer = (question: ManagementRequest) => this.answer(question);
    const onError = (error: unknown) => this.#logger.error({ msg: 'no answer', err: error });
    this.#listener = listens ? new ManagementListener(options.listen, answer, onError) : undefined;
  }

  /** Throws `ConfigurationError` for an address that cannot be listened on. */
  async onApplicationBootstrap(): Promise<void> {
    await this.#listener?.open();
  }

  /** It listens on while requests finish, and says that no new ones should be sent. */
  beforeApplicationShutdown(): void {
    this.#isDraining = true;
  }

  onApplicationShutdown(): void {
    this.#listener?.close();
  }

  /** What the operator is told, whichever process was asked. */
  async answer(question: ManagementRequest): Promise<ManagementResponse> {
    return (await this.#administration.answer(question)) ?? this.#health(question);
  }

  /** Everything that is counted or measured in this process. */
  async figures(): Promise<Metric[]> {
    return [...this.counts(), ...(await processMetrics())];
  }

  /** What the BFF itself has counted. */
  counts(): Metric[] {
    return [...this.recorder.figures(), ...cacheMetrics(this.cache.figures)];
  }

  async #health(question: ManagementRequest): Promise<ManagementResponse> {
    const path = pathOf(question);
    if (!['/livez', '/readyz', '/metrics'].includes(path)) return jsonResponse(404, 'not found');
    const refusal = refuseToChange(question);
    if (refusal) return refusal;
    if (path === '/livez') return jsonResponse(200, 'ok');
    if (path === '/metrics') return metricsResponse([await this.figures()]);
    if (this.#isDraining) return draining();
    const { status, checks } = await readiness(this.options, this.providers);
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
