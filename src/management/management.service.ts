import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
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
import type { KeyValueStore } from '../session/key-value-store.ts';
import { SignedInSessions } from '../session/signed-in-sessions.service.ts';
import { listenFailure } from './listen-failure.ts';
import { type Check, readiness } from './readiness.ts';
import {
  type AccessListener,
  type Answer,
  notAllowed,
  SessionAdministration,
  told,
} from './session-administration.ts';

/** Injects `ManagementRoomOptions`. */
export const MANAGEMENT_OPTIONS = Symbol('management options');

/** What this room works with. */
export interface ManagementRoomOptions {
  readonly listen: ManagementOptions;
  readonly store: KeyValueStore;
  readonly storeName: 'redis' | 'memory';
}

/** The operator's listener, on a port of its own: `/livez`, `/readyz` and, with a token, `/sessions`. */
@Injectable()
export class ManagementServer
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly #logger = new Logger(ManagementServer.name);
  readonly #server: Server;
  readonly #administration: SessionAdministration;
  #isDraining = false;

  constructor(
    @Inject(MANAGEMENT_OPTIONS) private readonly options: ManagementRoomOptions,
    private readonly providers: Providers,
    sessions: SignedInSessions,
  ) {
    const { token } = options.listen;
    const log: AccessListener = (access) => this.#log(access);
    this.#administration = new SessionAdministration(sessions, providers, token, log);
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Throws `ConfigurationError` for an address that cannot be listened on. */
  async onApplicationBootstrap(): Promise<void> {
    const { listen } = this.options;
    try {
      this.#server.listen(listen.port, listen.host);
      await once(this.#server, 'listening');
    } catch (error) {
      throw listenFailure('management', listen, error);
    }
  }

  /** It listens on while requests finish, and says that no new ones should be sent. */
  beforeApplicationShutdown(): void {
    this.#isDraining = true;
  }

  onApplicationShutdown(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const administered = await this.#administration.answer(request);
    const { code, headers, body } = administered ?? (await this.#health(request));
    response.writeHead(code, {
      'Cache-Control': 'no-store',
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...headers,
    });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  }

  async #health({ method = '', url = '' }: IncomingMessage): Promise<Answer> {
    const [path] = url.split('?', 1);
    if (path !== '/livez' && path !== '/readyz') return told(404, 'not found');
    if (method !== 'GET' && method !== 'HEAD') return notAllowed(['GET', 'HEAD']);
    if (path === '/livez') return told(200, 'ok');
    if (this.#isDraining) return told(503, 'unavailable', { checks: { server: draining } });
    const { status, checks } = await readiness(this.options, this.providers);
    return told(status === 'unavailable' ? 503 : 200, status, { checks });
  }

  #log(access: Parameters<AccessListener>[0]): void {
    switch (access.kind) {
      case 'listed':
      case 'ended': {
        const { kind, subjects, sessions } = access;
        return this.#logger.log({ msg: `sessions ${kind} by the operator`, subjects, sessions });
      }
      case 'refused':
        return this.#logger.warn({ msg: 'session administration without the token refused' });
      case 'failed':
        return this.#logger.error({ msg: 'session administration failed', err: access.error });
    }
  }
}

const draining: Check = { status: 'unavailable', reason: 'draining' };
