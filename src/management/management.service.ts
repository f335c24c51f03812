import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { ManagementOptions } from '../config/options.ts';
import { Providers } from '../oauth/providers.ts';
import type { KeyValueStore } from '../session/key-value-store.ts';
import { listenFailure } from './listen-failure.ts';
import { type Check, readiness } from './readiness.ts';

/** Injects `ManagementRoomOptions`. */
export const MANAGEMENT_OPTIONS = Symbol('management options');

/** What this room works with. */
export interface ManagementRoomOptions {
  readonly listen: ManagementOptions;
  readonly store: KeyValueStore;
  readonly storeName: 'redis' | 'memory';
}

/** The operator's listener, on a port of its own: `/livez` and `/readyz`. */
@Injectable()
export class ManagementServer
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  readonly #server: Server;
  #isDraining = false;

  constructor(
    @Inject(MANAGEMENT_OPTIONS) private readonly options: ManagementRoomOptions,
    private readonly providers: Providers,
  ) {
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

  async #answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path] = url.split('?', 1);
    if (path !== '/livez' && path !== '/readyz') return answer(response, 404, 'not found');
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      return answer(response, 405, 'method not allowed');
    }
    if (path === '/livez') return answer(response, 200, 'ok');
    if (this.#isDraining)
      return answer(response, 503, 'unavailable', { checks: { server: draining } });
    const { status, checks } = await readiness(this.options, this.providers);
    answer(response, status === 'unavailable' ? 503 : 200, status, { checks });
  }
}

const draining: Check = { status: 'unavailable', reason: 'draining' };

function answer(response: ServerResponse, code: number, status: string, more: object = {}): void {
  response.writeHead(code, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify({ status, ...more }));
}
