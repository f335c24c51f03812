import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { BearerRoute } from '../access/bearer/bearer-route.ts';
import { BffError } from '../errors.ts';
import { isDocumentNavigation } from '../http/navigation.ts';
import { refuseForeignOrigin, refuseForgery } from '../session/cookie/csrf.ts';
import {
  type Handshake,
  WebSocketHandshakes,
  refuseBadHandshake,
} from './forward/websocket-handshakes.ts';
import { canonicalTarget, type RequestTarget } from './path.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import { type ProxyRoute, ProxyRoutes } from './route-table.ts';

const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** A request that may reach the upstream of its route, if its session permits it. */
export interface AdmittedRequest {
  readonly request: Request;
  readonly response: Response;
  readonly route: ProxyRoute;
  readonly target: RequestTarget;
  /** `undefined` if the request is not a WebSocket handshake. */
  readonly handshake: Handshake | undefined;
  /**
   * Whether it is a page navigation that needs no CSRF header. If it is signed in, it must not come
   * from another site.
   */
  readonly isPage: boolean;
  /**
   * The rules of the route for callers with an access token, which alone decides about the request.
   * `undefined` if the request is a browser's.
   */
  readonly bearer: BearerRoute | undefined;
}

/**
 * Matches requests to routes and refuses the forbidden ones. These checks never read a session, so
 * a forged request learns nothing about it.
 */
@Injectable()
export class AdmissionService {
  constructor(
    @Inject(PROXY_OPTIONS) private readonly options: ProxyOptions,
    private readonly routes: ProxyRoutes,
    private readonly handshakes: WebSocketHandshakes,
  ) {}

  /**
   * Returns the request with its route, or `undefined` if the path belongs to no route. Throws
   * `bad_path` or `invalid_request` for a request that two servers could read differently,
   * `method_not_allowed` or `csrf` for one that must not reach an upstream, and `not_found` for a
   * WebSocket handshake without a route.
   */
  admit(request: Request, response: Response): AdmittedRequest | undefined {
    refuseTwoHosts(request);
    const target = canonicalTarget(request.originalUrl);
    const handshake = this.handshakes.of(request);
    const matched = this.routes.match(target.path);
    const match = matched?.publicPart?.(target.path) ?? matched;
    const route = match && this.#isForHost(match, request, handshake) ? undefined : match;
    request.matchedRoute = route?.path;
    if (!route && handshake) throw new BffError('not_found');
    if (!route) return undefined;
    const { options } = route;
    const bearer = bearerOf(request, route);
    const isPage =
      options.signedOut === 'login' &&
      options.csrf &&
      !handshake &&
      !bearer &&
      isDocumentNavigation(request);
    if (handshake) this.#checkHandshake(request, route, bearer);
    else this.#checkRequest(request, route, bearer, isPage);
    return { request, response, route, target, handshake, isPage, bearer };
  }

  /** The controllers of a host application have no WebSocket handshakes. */
  #isForHost(
    { options }: ProxyRoute,
    { isLeftOver }: Request,
    handshake: Handshake | undefined,
  ): boolean {
    const { frontendIsLast, frontendRoute } = this.options;
    return frontendIsLast && options === frontendRoute && !isLeftOver && !handshake;
  }

  #checkRequest(
    request: Request,
    { options }: ProxyRoute,
    bearer: BearerRoute | undefined,
    isPage: boolean,
  ): void {
    refuseWebSocket(request);
    const { method, headers } = request;
    // The response to TRACE contains the request as received, including the token (RFC 9110
    // §9.3.8).
    if (method === 'TRACE')
      throw new BffError('method_not_allowed', { headers: { Allow: allowedMethods } });
    // A browser attaches a cookie to the requests of other sites, but never an access token.
    if (options.token === 'none' || bearer) return;
    // Only a page of another origin sends a preflight.
    if (method === 'OPTIONS' && 'access-control-request-method' in headers)
      throw new BffError('csrf', { cause: new Error('a preflight on a route with a token') });
    if (options.csrf && !isPage) refuseForgery(headers, this.options.csrf, this.options.publicUrl);
  }

  /** `Origin` replaces the CSRF header, which a browser cannot send with a handshake. */
  #checkHandshake(
    request: Request,
    { options, isProtected }: ProxyRoute,
    bearer: BearerRoute | undefined,
  ): void {
    if (!options.websocket) refuseWebSocket(request);
    refuseBadHandshake(request);
    if (bearer) return;
    const { headers } = request;
    if (options.token !== 'none' || (isProtected && headers.origin !== undefined))
      refuseForeignOrigin(headers, this.options.publicUrl);
  }
}

/**
 * Returns the rules for an access token if it alone decides about the request: there is an
 * `Authorization` header, or the route accepts no browsers.
 */
function bearerOf({ headers }: Request, { bearer }: ProxyRoute): BearerRoute | undefined {
  if (!bearer) return undefined;
  return headers.authorization === undefined && bearer.admitsBrowsers ? undefined : bearer;
}

/**
 * Throws `invalid_request` for a request with `Upgrade: websocket`. Without its upgrade, the
 * upstream would execute the handshake as an ordinary request.
 */
function refuseWebSocket({ headers }: Request): void {
  if (headers.upgrade === undefined || !/\bwebsocket\b/i.test(headers.upgrade)) return;
  const cause = new Error('not a WebSocket handshake for a route that accepts them');
  throw new BffError('invalid_request', { cause });
}

/** Servers disagree about which of two `Host` fields counts (RFC 9112 §3.2). */
function refuseTwoHosts({ rawHeaders }: Request): void {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  if (hosts > 1) throw new BffError('invalid_request');
}
