import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
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
import { readiness } from './readiness.ts';

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

  /** Where it listens, once it does. */
  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { port, host } = this.options.listen;
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
  }

  beforeApplicationShutdown(): void {
    this.#isDraining = true;
  }

  async onApplicationShutdown(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path] = url.split('?', 1);
    if (method !== 'GET' && method !== 'HEAD') return answer(response, 405, { status: 'error' });
    if (path === '/livez') return answer(response, 200, { status: 'ok' });
    if (path !== '/readyz') return answer(response, 404, { status: 'not found' });
    const { store, storeName } = this.options;
    const state = await readiness(store, storeName, this.providers);
    const status = this.#isDraining ? 'unavailable' : state.status;
    answer(response, status === 'unavailable' ? 503 : 200, { ...state, status });
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(body));
}
