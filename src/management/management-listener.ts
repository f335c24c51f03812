import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ManagementOptions } from '../config/options.ts';
import { type Answer, type Question, told } from './answer.ts';
import { listenFailure } from './listen-failure.ts';

/** The operator's listener, whoever knows the answers. It speaks plain HTTP. */
export class ManagementListener {
  readonly #server: Server;

  /** What `answer` throws is `500` to who asks, and `onError` hears of it. */
  constructor(
    private readonly listen: ManagementOptions,
    private readonly answer: (question: Question) => Promise<Answer>,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Throws `ConfigurationError` for an address that cannot be listened on. */
  async open(): Promise<void> {
    const { listen } = this;
    try {
      this.#server.listen(listen.port, listen.host);
      await once(this.#server, 'listening');
    } catch (error) {
      throw listenFailure('management', listen, error);
    }
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer({ method = '', url = '', headers }: IncomingMessage, response: ServerResponse) {
    const { authorization } = headers;
    send(response, await this.#safely({ method, url, authorization }));
  }

  async #safely(question: Question): Promise<Answer> {
    try {
      return await this.answer(question);
    } catch (error) {
      this.onError(error);
      return told(500, 'internal error');
    }
  }
}

function send(response: ServerResponse, { code, headers, body }: Answer): void {
  response.writeHead(code, {
    'Cache-Control': 'no-store',
    ...(body !== undefined && { 'Content-Type': 'application/json' }),
    ...headers,
  });
  if (body === undefined) response.end();
  else response.end(typeof body === 'string' ? body : JSON.stringify(body));
}
