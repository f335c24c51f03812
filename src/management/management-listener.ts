import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ManagementOptions } from '../config/options.ts';
import {
  type ManagementResponse,
  type ManagementRequest,
  jsonResponse,
} from './management-request.ts';
import { listenFailure } from '../config/listen-error.ts';
import { isServedHost } from './served-hosts.ts';

/** The response to a request for an unknown host (RFC 9110 §15.5.20), as DNS rebinding sends it. */
const misdirected = jsonResponse(421, 'misdirected request', {
  reason:
    'The Host header names neither an IP address nor localhost. Add the name to ' +
    'management.hosts to allow it.',
});

/**
 * The HTTP listener for operators, without TLS. It serves only requests whose `Host` is an IP
 * address, `localhost` or one of `management.hosts`.
 */
export class ManagementListener {
  readonly #server: Server;
  #hosts: readonly string[];

  /** If `respond` rejects, the response is `500` and the error goes to `onError`. */
  constructor(
    private readonly listen: ManagementOptions,
    private readonly respond: (request: ManagementRequest) => Promise<ManagementResponse>,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#hosts = listen.hosts;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  /** Starts to listen. Throws `ConfigurationError` if it cannot listen on the address. */
  async open(): Promise<void> {
    const { listen } = this;
    try {
      this.#server.listen(listen.port, listen.host);
      await once(this.#server, 'listening');
    } catch (error) {
      throw listenFailure('management', listen, error);
    }
  }

  /** Replaces the host names that this listener serves. */
  setHosts(hosts: readonly string[]): void {
    this.#hosts = hosts;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse) {
    if (!isServedHost(request, this.#hosts)) return send(response, misdirected);
    const { method = '', url = '', headers } = request;
    const { authorization } = headers;
    send(response, await this.#safely({ method, url, authorization }));
  }

  async #safely(request: ManagementRequest): Promise<ManagementResponse> {
    try {
      return await this.respond(request);
    } catch (error) {
      this.onError(error);
      return jsonResponse(500, 'internal error');
    }
  }
}

function send(response: ServerResponse, { code, headers, body }: ManagementResponse): void {
  response.writeHead(code, {
    'Cache-Control': 'no-store',
    ...(body !== undefined && { 'Content-Type': 'application/json' }),
    ...headers,
  });
  if (body === undefined) response.end();
  else response.end(typeof body === 'string' ? body : JSON.stringify(body));
}
