import type { Provider as NestProvider } from '@nestjs/common';
import { AdmissionService } from './admission.service.ts';
import { AuthorizationService } from './authorize/authorization.service.ts';
import { UpstreamTokensService } from './authorize/upstream-tokens.service.ts';
import { WebSocketHandshakes } from './forward/websocket-handshakes.ts';
import { StreamingResponses } from './forward/streaming-responses.ts';
import { OpenSockets } from './forward/open-sockets.ts';
import { ProxyService } from './proxy.service.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import { ProxyRoutes } from './route-table.ts';
import { CLOCK, type Clock } from '../clock.ts';
import { SessionNotifier } from '../session/sessions/session-notifier.ts';

/**
 * The Nest providers of the proxy: its services, the route table and the state shared by all
 * requests. They require `PROXY_OPTIONS`.
 */
export const proxyProviders: NestProvider[] = [
  {
    provide: ProxyRoutes,
    inject: [PROXY_OPTIONS],
    useFactory: (options: ProxyOptions) => new ProxyRoutes(options),
  },
  AdmissionService,
  AuthorizationService,
  UpstreamTokensService,
  ProxyService,
  {
    provide: WebSocketHandshakes,
    inject: [ProxyRoutes],
    useFactory: (routes: ProxyRoutes) => new WebSocketHandshakes(routes),
  },
  {
    provide: OpenSockets,
    inject: [PROXY_OPTIONS, SessionNotifier, CLOCK],
    useFactory: ({ maxWebSockets }: ProxyOptions, ends: SessionNotifier, clock: Clock) =>
      new OpenSockets(ends, clock, maxWebSockets),
  },
  {
    provide: StreamingResponses,
    inject: [SessionNotifier, CLOCK],
    useFactory: (ends: SessionNotifier, clock: Clock) => new StreamingResponses(ends, clock),
  },
];
