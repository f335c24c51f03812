import type { Provider as NestProvider } from '@nestjs/common';
import { Admission } from './admission.service.ts';
import { AuthorizedHeaders } from './authorize/authorized-headers.service.ts';
import { Handshakes } from './forward/websocket-handshakes.ts';
import { LongAnswers } from './forward/streaming-responses.ts';
import { OpenSockets } from './forward/open-sockets.ts';
import { Proxy } from './proxy.service.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import { ProxyRoutes } from './route-table.ts';
import { RouteAuthorization } from './authorize/route-authorization.service.ts';
import { SessionEnds } from '../session/sessions/end-notifier.ts';

/**
 * What the proxy works with beside its options: the routes, and all that lives longer than a
 * request.
 */
export const proxyProviders: NestProvider[] = [
  {
    provide: ProxyRoutes,
    inject: [PROXY_OPTIONS],
    useFactory: (options: ProxyOptions) => new ProxyRoutes(options),
  },
  Admission,
  RouteAuthorization,
  AuthorizedHeaders,
  Proxy,
  {
    provide: Handshakes,
    inject: [ProxyRoutes],
    useFactory: (routes: ProxyRoutes) => new Handshakes(routes),
  },
  {
    provide: OpenSockets,
    inject: [PROXY_OPTIONS, SessionEnds],
    useFactory: ({ maxWebSockets }: ProxyOptions, ends: SessionEnds) =>
      new OpenSockets(ends, maxWebSockets),
  },
  {
    provide: LongAnswers,
    inject: [SessionEnds],
    useFactory: (ends: SessionEnds) => new LongAnswers(ends),
  },
];
