import type { Provider as NestProvider } from '@nestjs/common';
import { Admission } from './proxy/admission.service.ts';
import { AuthorizedHeaders } from './proxy/authorized-headers.service.ts';
import { Handshakes } from './proxy/handshakes.ts';
import { LongAnswers } from './proxy/long-answers.ts';
import { OpenSockets } from './proxy/open-sockets.ts';
import { Proxy } from './proxy/proxy.service.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy/proxy-options.ts';
import { ProxyRoutes } from './proxy/proxy-routes.ts';
import { RouteAuthorization } from './proxy/route-authorization.service.ts';
import { SessionEnds } from './session/session-ends.ts';

/** What the proxy works with beside its options: the routes, and all that lives longer than a request. */
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
