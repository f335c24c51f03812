import type { IncomingHttpHeaders } from 'node:http';
import {
  Inject,
  Injectable,
  Logger,
  type NestMiddleware,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import type { RouteOptions } from '../config/options.ts';
import { BffError } from '../errors.ts';
import { AccessTokenService } from '../session/access-token.service.ts';
import { refuseForgery } from '../session/csrf.ts';
import { SessionReader } from '../session/session-reader.service.ts';
import type { Session } from '../session/session.ts';
import { forward } from './forward.ts';
import { headersFrom } from './claim-headers.ts';
import { type Headers, RequestHeaders, responseHeaders } from './headers.ts';
import { canonicalTarget, type RequestTarget } from './path.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import { Routes, upstreamPath } from './routes.ts';
import { plainAddress, TrustedPeers } from './trusted-peers.ts';
import { openUpstream, type Upstream } from './upstream.ts';

const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** One configured route with all it needs to be served. */
interface Route {
  readonly path: string;
  readonly options: RouteOptions;
  readonly upstream: Upstream;
  readonly requestHeaders: RequestHeaders;
  readonly responseHeaders: (headers: IncomingHttpHeaders) => Headers;
}

type HeadersWith = (authorization: string | undefined) => Headers;

/** Sends what belongs to a route to its upstream, with the user's access token where the route wants one. */
@Injectable()
export class ProxyMiddleware implements NestMiddleware, OnApplicationShutdown {
  readonly #logger = new Logger(ProxyMiddleware.name);
  readonly #all: readonly Route[];
  readonly #routes: Routes<Route>;
  readonly #trustedPeers: TrustedPeers;

  constructor(
    @Inject(PROXY_OPTIONS) private readonly options: ProxyOptions,
    private readonly sessions: SessionReader,
    private readonly accessTokens: AccessTokenService,
  ) {
    const { routes, frontendRoute, basePath } = options;
    this.#all = [...routes, ...(frontendRoute ? [frontendRoute] : [])].map((route, index) =>
      this.#prepare(route, index),
    );
    this.#routes = new Routes(this.#all, basePath);
    this.#trustedPeers = new TrustedPeers(options.trustedProxies);
  }

  async use(request: Request, response: Response, next: NextFunction): Promise<void> {
    refuseTwoHosts(request);
    const target = canonicalTarget(request.originalUrl);
    const route = this.#routes.match(target.path);
    if (!route) return next();
    refuseWebSocket(request);
    this.#refuseForeignRequest(request, route);
    const presented = await this.#presented(request, route);
    const authorization = await this.#authorization(presented, route);
    const headersWith = this.#headersOf(request, route, presented);
    await forward(request, response, {
      ...this.#upstream(route, target),
      headers: headersWith(authorization),
      afterRefusal: (refusal) => this.#secondTry(refusal, presented, headersWith),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all(this.#all.map(({ upstream }) => upstream.close()));
  }

  /** What does not change from one request to the next. Throws `ConfigurationError` for certificates that cannot be used. */
  #prepare(options: RouteOptions, index: number): Route {
    const { publicUrl, csrf, ourCookies } = this.options;
    const { set, remove, pass } = options.headers;
    const isPersonal = options.token !== 'none';
    return {
      path: options.path,
      options,
      upstream: openUpstream(options, index),
      requestHeaders: new RequestHeaders({
        publicUrl,
        csrfHeader: csrf.header,
        ourCookies,
        set: Object.keys(set),
        remove,
        pass,
      }),
      responseHeaders: (headers) => responseHeaders(headers, { ourCookies, isPersonal }),
    };
  }

  /** Judged before the session: a forged request learns nothing about it. */
  #refuseForeignRequest({ method, headers }: Request, { options: { token, csrf } }: Route): void {
    // The upstream would answer with the request it got, token included (RFC 9110 §9.3.8).
    if (method === 'TRACE') {
      throw new BffError('method_not_allowed', { headers: { Allow: allowedMethods } });
    }
    if (token === 'none') return;
    // Only a page of another origin has to ask; ours never does.
    if (method === 'OPTIONS' && 'access-control-request-method' in headers) {
      throw new BffError('csrf', { cause: new Error('a preflight on a route with a token') });
    }
    if (csrf) refuseForgery(headers, this.options.csrf, this.options.publicUrl);
  }

  /** Whose token the upstream gets. Absent: the route sends none, or an optional one has no user of its provider. */
  async #presented(request: Request, { options }: Route): Promise<Session | undefined> {
    if (options.token === 'none') return undefined;
    const presented = await this.sessions.read(request.headers.cookie);
    // A token goes to the upstreams of its own provider only.
    const provider = options.provider ?? this.options.defaultProvider;
    return presented?.provider === provider ? presented : undefined;
  }

  /** The `Authorization` the upstream gets. Absent: none. */
  async #authorization(
    presented: Session | undefined,
    { options }: Route,
  ): Promise<string | undefined> {
    const answer = presented && (await this.accessTokens.accessTokenFor(presented));
    if (answer?.kind === 'token') return answer.authorization;
    if (options.token === 'none' || options.token === 'optional') return undefined;
    const loginUrl = `${this.options.basePath}/login${options.provider ? `?provider=${options.provider}` : ''}`;
    throw new BffError('not_signed_in', { extensions: { loginUrl } });
  }

  /** Everything about the request to the upstream but its headers. */
  #upstream({ options, upstream, responseHeaders: seen }: Route, { path, query }: RequestTarget) {
    return {
      upstream,
      path: upstreamPath(options, upstream.basePath, path) + query,
      timeout: options.timeout,
      idleTimeout: options.idleTimeout ?? 0,
      maxBody: options.maxBody,
      retry: options.retry,
      responseHeaders: seen,
    };
  }

  /** The headers the upstream receives, but for whose token is in them. */
  #headersOf(request: Request, route: Route, presented: Session | undefined): HeadersWith {
    const clientAddress = plainAddress(request.socket.remoteAddress);
    const facts = {
      clientAddress,
      requestId: String(request.id),
      isTrustedPeer: this.#trustedPeers.includes(clientAddress),
      set: headersFrom(route.options.headers.set, presented?.claims),
    };
    return (authorization) => route.requestHeaders.of(request.headers, { ...facts, authorization });
  }

  /** With a token in the place of one the upstream does not accept although its time is not over (RFC 6750 §3.1). */
  async #secondTry(
    refusal: IncomingHttpHeaders,
    presented: Session | undefined,
    headersWith: HeadersWith,
  ): Promise<Headers | undefined> {
    const isAboutToken = /\berror="?invalid_token\b/.test(refusal['www-authenticate'] ?? '');
    if (!presented || !isAboutToken) return undefined;
    try {
      const answer = await this.accessTokens.replacementFor(presented);
      return answer.kind === 'token' ? headersWith(answer.authorization) : undefined;
    } catch (error) {
      this.#logger.debug({ msg: 'no other token for a second try', err: error });
      return undefined;
    }
  }
}

/** Which of two `Host` fields counts, servers answer differently (RFC 9112 §3.2). */
function refuseTwoHosts({ rawHeaders }: Request): void {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  if (hosts > 1) throw new BffError('invalid_request');
}

/** Without its upgrade a handshake would reach the upstream as an ordinary request, and be obeyed as one. */
function refuseWebSocket({ headers }: Request): void {
  if (!/\bwebsocket\b/i.test(headers.upgrade ?? '')) return;
  const cause = new Error('WebSockets are not part of this release');
  throw new BffError('invalid_request', { cause });
}
