import type { IncomingHttpHeaders } from 'node:http';
import {
  Inject,
  Injectable,
  Logger,
  type NestMiddleware,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { Agent } from 'undici';
import { BffError } from '../errors.ts';
import { AccessTokenService } from '../session/access-token.service.ts';
import { refuseForgery } from '../session/csrf.ts';
import { SessionReader } from '../session/session-reader.service.ts';
import type { Session } from '../session/session.ts';
import { forward } from './forward.ts';
import { type Headers, requestHeaders, responseHeaders } from './headers.ts';
import { canonicalTarget, type RequestTarget } from './path.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import { type Route, Routes, upstreamPath } from './routes.ts';
import { plainAddress, TrustedPeers } from './trusted-peers.ts';

/** Milliseconds a connection may take to come about, where the route's own timeout is not shorter. */
const connectTimeout = 10_000;

const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

type HeadersWith = (authorization: string | undefined) => Headers;

/** Sends what belongs to a route to its upstream, with the user's access token where the route wants one. */
@Injectable()
export class ProxyMiddleware implements NestMiddleware, OnApplicationShutdown {
  readonly #logger = new Logger(ProxyMiddleware.name);
  readonly #routes: Routes;
  readonly #trustedPeers: TrustedPeers;
  readonly #agents = new Map<Route, Agent>();

  constructor(
    @Inject(PROXY_OPTIONS) private readonly options: ProxyOptions,
    private readonly sessions: SessionReader,
    private readonly accessTokens: AccessTokenService,
  ) {
    const { routes, frontendRoute, basePath } = options;
    this.#routes = new Routes([...routes, ...(frontendRoute ? [frontendRoute] : [])], basePath);
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
    const headersWith = this.#headersOf(request, route);
    await forward(request, response, {
      ...this.#upstream(route, target),
      headers: headersWith(authorization),
      afterRefusal: (refusal) => this.#secondTry(refusal, presented, headersWith),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.close()));
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
  #upstream(route: Route, target: RequestTarget) {
    const { options, origin } = route;
    const isPersonal = options.token !== 'none';
    const { ourCookies } = this.options;
    return {
      dispatcher: this.#agentOf(route),
      origin,
      path: upstreamPath(route, target.path) + target.query,
      timeout: options.timeout,
      idleTimeout: options.idleTimeout ?? 0,
      maxBody: options.maxBody,
      responseHeaders: (headers: IncomingHttpHeaders) =>
        responseHeaders(headers, { ourCookies, isPersonal }),
    };
  }

  /** The headers the upstream receives, but for whose token is in them. */
  #headersOf(request: Request, { options, host }: Route): HeadersWith {
    const { publicUrl, ourCookies, csrf } = this.options;
    const clientAddress = plainAddress(request.socket.remoteAddress);
    const rules = {
      host,
      csrfHeader: csrf.header,
      ourCookies,
      ...options.headers,
      clientAddress,
      publicUrl,
      requestId: String(request.id),
      isTrustedPeer: this.#trustedPeers.includes(clientAddress),
    };
    return (authorization) => requestHeaders(request.headers, { ...rules, authorization });
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

  /** Connections of a route are its own: what holds for one upstream need not for another. */
  #agentOf(route: Route): Agent {
    const { timeout } = route.options;
    const agent =
      this.#agents.get(route) ??
      new Agent({ allowH2: false, connect: { timeout: Math.min(timeout, connectTimeout) } });
    this.#agents.set(route, agent);
    return agent;
  }
}

/** Which of two `Host` fields counts, servers answer differently (RFC 9112 §3.2). */
function refuseTwoHosts({ headersDistinct }: Request): void {
  if ((headersDistinct['host']?.length ?? 0) > 1) throw new BffError('invalid_request');
}

/** Without its upgrade a handshake would reach the upstream as an ordinary request, and be obeyed as one. */
function refuseWebSocket({ headers }: Request): void {
  if (!/\bwebsocket\b/i.test(headers.upgrade ?? '')) return;
  const cause = new Error('WebSockets are not part of this release');
  throw new BffError('invalid_request', { cause });
}
