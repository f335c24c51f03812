import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { OptionsInput } from '../../../src/config/options.ts';
import { startServer } from './built-server.ts';
import { rawRequest } from '../network/raw-request.ts';
import { runDirectory } from '../setup/run-directory.ts';

/** Creates the request anew for each try. */
export type RequestMaker = () => string | Promise<string>;

/** The cost of a request. */
export interface Cost {
  /** Processor time of the whole process: the minimum of several tries, because noise only adds. */
  readonly milliseconds: number;
  /** The status of the response, `undefined` if there was none. */
  readonly status: number | undefined;
}

/** How often a request that seems to cost much is tried again. */
const furtherTries = 4;

/** The built server, with a meter for the cost of requests. */
export class MeteredServer {
  readonly #port: number;
  readonly #socket: string;
  readonly #server: AsyncDisposable;

  constructor(port: number, socket: string, server: AsyncDisposable) {
    this.#port = port;
    this.#socket = socket;
    this.#server = server;
  }

  /** Sends a request as latin1 and waits for the response. */
  async send(request: string): Promise<{ readonly status?: number | undefined; text: string }> {
    const { statuses, text } = await rawRequest(this.#port, request, {
      responses: 1,
      deadline: 20_000,
    });
    return { status: statuses[0], text };
  }

  /** Measures a request, and repeats it if it took longer than `suspicious` milliseconds. */
  async costOf(make: RequestMaker, suspicious: number): Promise<Cost> {
    let least = await this.#try(make);
    for (let tries = 0; tries < furtherTries && least.milliseconds > suspicious; tries += 1) {
      const next = await this.#try(make);
      if (next.milliseconds < least.milliseconds) least = next;
    }
    return least;
  }

  async #try(make: RequestMaker): Promise<Cost> {
    const request = await make();
    const before = await this.#used();
    const { status } = await this.send(request);
    return { milliseconds: ((await this.#used()) - before) / 1000, status };
  }

  async #used(): Promise<number> {
    const socket = connect(this.#socket).setEncoding('latin1');
    let text = '';
    socket.on('data', (chunk: string) => (text += chunk));
    await once(socket, 'close');
    return Number(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}

/** Starts the built server with a meter in it. */
export async function startMeteredServer(options: OptionsInput): Promise<MeteredServer> {
  const socket = join(mkdtempSync(join(runDirectory(), 'meter-')), 'cpu');
  const meter = new URL('cpu-meter.ts', import.meta.url).href;
  const server = await startServer(options, {
    NODE_OPTIONS: `--import=${meter}`,
    CPU_METER: socket,
  });
  return new MeteredServer(options.server?.port as number, socket, server);
}
