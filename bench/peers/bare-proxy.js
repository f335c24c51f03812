/**
 * The limit: Node's HTTP server and undici's dispatcher with nothing in between, no session and no rule. What a proxy in
 * Node.js costs before it does anything for anybody. `node bare-proxy.js <port> <upstream origin>`
 */
import { createServer } from 'node:http';
import { Pool } from 'undici';

const [port, upstream] = process.argv.slice(2);
const pool = new Pool(upstream, { connections: 1024, pipelining: 1 });
const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

const server = createServer((request, response) => {
  const hasBody = request.method !== 'GET' && request.method !== 'HEAD';
  pool.dispatch(
    {
      method: request.method,
      path: request.url,
      headers: endToEnd(request.rawHeaders),
      body: hasBody ? request : null,
    },
    new Relay(response),
  );
});
server.keepAliveTimeout = 600_000;
server.requestTimeout = 0;
server.listen(Number(port), '127.0.0.1', 8192);

/** Passes an answer on as it comes, and waits when the client is slow. */
class Relay {
  #response;

  constructor(response) {
    this.#response = response;
  }

  onRequestStart(controller) {
    this.#response.once('close', () => {
      if (!this.#response.writableFinished) controller.abort(new Error('the client is gone'));
    });
  }

  onResponseStart(controller, status, headers) {
    for (const name of hopByHop) delete headers[name];
    this.#response.writeHead(status, headers);
  }

  onResponseData(controller, part) {
    if (this.#response.write(part)) return;
    controller.pause();
    this.#response.once('drain', () => controller.resume());
  }

  onResponseEnd() {
    this.#response.end();
  }

  onResponseError() {
    if (this.#response.headersSent) this.#response.destroy();
    else this.#response.writeHead(502).end();
  }
}

function endToEnd(raw) {
  const kept = [];
  for (let index = 0; index < raw.length; index += 2) {
    if (!hopByHop.has(raw[index].toLowerCase())) kept.push(raw[index], raw[index + 1]);
  }
  return kept;
}
