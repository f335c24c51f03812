import { createServer, request as send } from 'node:http';
import { closeServer, listen } from '../upstream/upstream.ts';

/** A reverse proxy on loopback, as it stands before several replicas or below a path. */
export interface ReverseProxy {
  /** The port that further requests go to. */
  target: number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a reverse proxy. `prefix` is removed from the paths that begin with it. */
export async function startReverseProxy(
  port: number,
  target: number,
  prefix = '',
): Promise<ReverseProxy> {
  const server = createServer((incoming, outgoing) => {
    const { url = '', method, headers } = incoming;
    const path = url.startsWith(prefix) ? url.slice(prefix.length) : url;
    const forwarded = send({ host: '127.0.0.1', port: proxy.target, path, method, headers });
    forwarded.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers).flushHeaders();
      response.pipe(outgoing);
    });
    forwarded.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forwarded.destroy());
    incoming.pipe(forwarded);
  });
  const proxy: ReverseProxy = {
    target,
    [Symbol.asyncDispose]: () => closeServer(server),
  };
  await listen(server, port);
  return proxy;
}
