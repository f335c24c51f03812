import type { IncomingHttpHeaders } from 'node:http';

/** The part of NestJS's `ExecutionContext` that is read here. */
interface HandlerContext {
  getType<Type extends string>(): Type;
  getArgByIndex<Argument>(index: number): Argument;
}

/** The part of a request that identifies its sender: an Express request or a handshake. */
export interface RequestHead {
  readonly headers: IncomingHttpHeaders;
}

/**
 * Returns the HTTP request that a handler serves. For GraphQL it is `req` of the GraphQL context,
 * for a subscription or a WebSocket gateway the opening handshake. Throws an error that says what
 * to change if there is none.
 */
export function requestOf(context: HandlerContext): RequestHead {
  const type = context.getType<string>();
  switch (type) {
    case 'http':
      return context.getArgByIndex<RequestHead>(0);
    case 'graphql': {
      const { req, request, extra } = partsOf(context.getArgByIndex(2));
      const found = [req, request, partsOf(extra)['request']].find(isRequest);
      if (found) return found;
      throw new Error(
        'SignedInGuard finds no request in the GraphQL context: give GraphQLModule ' +
          'context: ({ req, extra }) => ({ req, extra }).',
      );
    }
    case 'ws': {
      const { request, upgradeReq, handshake } = partsOf(context.getArgByIndex(0));
      const found = [request, upgradeReq, handshake].find(isRequest);
      if (found) return found;
      throw new Error(
        'SignedInGuard finds no handshake at the WebSocket client: keep it in the gateway, ' +
          'handleConnection(client, request) { client.request = request; }.',
      );
    }
    default:
      throw new Error(
        `SignedInGuard does not work for "${type}", which has no HTTP request with a cookie: ` +
          'remove it from this handler, and send what the handler needs in the message.',
      );
  }
}

/**
 * Whether a request is the opening handshake of a WebSocket. A browser cannot add the CSRF header
 * to it, and the later messages of the WebSocket have no request of their own.
 */
export function isHandshake(context: HandlerContext, { headers }: RequestHead): boolean {
  const type = context.getType<string>();
  return type === 'ws' || (type === 'graphql' && headers.upgrade?.toLowerCase() === 'websocket');
}

function partsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isRequest(value: unknown): value is RequestHead {
  return typeof value === 'object' && value !== null && 'headers' in value;
}
