import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';

/**
 * A request exactly as it shall go out; nothing but `Host` and the framing of the body is added.
 */
export interface OutgoingRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | Readable | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Sends requests over its own kept-alive connections. It follows nothing and keeps nothing. */
export class HttpClient {
  readonly #ports = new Map<string, number>();
  readonly #http = new HttpAgent({ keepAlive: true });
  readonly #https: HttpsAgent;

  /** With a `ca` in PEM only servers with its certificates are trusted. */
  constructor(ca?: string) {
    this.#https = new HttpsAgent({ keepAlive: true, ...(ca && { ca }) });
  }

  /** Sends what goes to this origin to another loopback port; `Host` stays what it is. */
  balance(origin: string, port: number): void {
    this.#ports.set(origin, port);
  }

  /** Closes all connections that are kept alive. */
  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  /**
   * Resolves with the response when its headers have arrived; rejects when there is no response.
   */
  send({ method, url, headers, body, signal }: OutgoingRequest): Promise<IncomingMessage> {
    const isTls = url.protocol === 'https:';
    const port = this.#ports.get(url.origin) ?? url.port;
    return new Promise((resolve, reject) => {
      const request = (isTls ? httpsRequest : httpRequest)({
        agent: isTls ? this.#https : this.#http,
        method,
        host: url.hostname.replace(/^\[|\]$/g, ''),
        port,
        path: url.pathname + url.search,
        headers: { host: url.host, ...headers },
        signal,
      });
      request.once('response', resolve);
      request.once('error', reject);
      if (body instanceof Readable) body.on('error', reject).pipe(request);
      else request.end(body);
    });
  }
}
