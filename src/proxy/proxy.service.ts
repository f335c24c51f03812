import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { BffError } from '../errors.ts';
import { sessionAt } from '../session/connections.ts';
import { refuseForeignOrigin, refuseForgery } from '../session/csrf.ts';
import { SessionReader } from '../session/session-reader.service.ts';
import type { Session } from '../session/session.ts';
import {
  AuthorizedHeaders,
  type AuthorizedRequest,
  type WhoAsks,
} from './authorized-headers.service.ts';
import { forward, type UpstreamRequest } from './forward.ts';
import { type Handshake, Handshakes, refuseBadHandshake } from './handshakes.ts';
import { LongAnswers, type RunningAnswer } from './long-answers.ts';
import { OpenSockets } from './open-sockets.ts';
import { canonicalTarget, type RequestTarget } from './path.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import { type ProxyRoute, ProxyRoutes } from './proxy-routes.ts';
import { upstreamPath } from './routes.ts';
import { openWebSocket } from './upgrade.ts';

const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** A request, and where it goes. */
interface Matched {
  readonly request: Request;
  readonly response: Response;
  readonly route: ProxyRoute;
  readonly target: RequestTarget;
}

const nobody: WhoAsks = { presented: undefined, session: undefined };

/** Sends what belongs to a route to its upstream, with the user's access token where the route wants one. */
@Injectable()
export class Proxy implements BeforeApplicationShutdown, OnApplicationShutdown {
  /** Requests that `serveFirst` has handed on, and what was wrong with them. */
  readonly #handedOn = new WeakMap<Request, { readonly failure?: unknown }>();

  constructor(
    @Inject(PROXY_OPTIONS) private readonly options: ProxyOptions,
    private readonly routes: ProxyRoutes,
    private readonly sessions: SessionReader,
    private readonly headers: AuthorizedHeaders,
    private readonly handshakes: Handshakes,
    private readonly openSockets: OpenSockets,
    private readonly longAnswers: LongAnswers,
  ) {}

  /**
   * `false` for a request that belongs to no route: nothing was done. Otherwise `true` when it is over. Throws what its answer is to be,
   * if it has none.
   */
  serve(request: Request, response: Response): boolean | Promise<true> {
    const before = this.#handedOn.get(request);
    if (before && 'failure' in before) throw before.failure;
    if (before) return false;
    refuseTwoHosts(request);
    const target = canonicalTarget(request.originalUrl);
    const route = this.routes.match(target.path);
    request.takenBy = route?.path;
    const handshake = this.handshakes.of(request);
    if (!route && handshake) throw new BffError('not_found');
    if (!route) return false;
    const matched = { request, response, route, target };
    return handshake ? this.#upgrade(matched, handshake) : this.#forward(matched);
  }

  /** The same for one that nobody has seen before. `next` gets it when it is none of ours, and when it failed: `serve` says so again then. */
  async serveFirst(request: Request, response: Response, next: () => void): Promise<void> {
    try {
      if (await this.serve(request, response)) return;
      this.#handedOn.set(request, {});
    } catch (failure) {
      this.#handedOn.set(request, { failure });
    }
    next();
  }

  /** Before the server waits for its connections to end, which these would not do by themselves. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.openSockets.drain();
  }

  async onApplicationShutdown(): Promise<void> {
    this.longAnswers.close();
    await this.routes.close();
  }

  async #forward(matched: Matched): Promise<true> {
    const { request, response, route } = matched;
    refuseWebSocket(request);
    this.#refuseForeignRequest(request, route);
    // Only what is not here yet is waited for: in the steady state all of it is, and each wait costs.
    const asking = this.#whoAsks(request, route, 'read');
    const who = asking instanceof Promise ? await asking : asking;
    const writing = this.headers.of(request, route, who);
    const authorized = writing instanceof Promise ? await writing : writing;
    const running = who.session && this.longAnswers.begin(who.session.id, response);
    try {
      await forward(request, response, this.#asked(matched, authorized, running));
    } finally {
      if (running) this.longAnswers.end(running);
    }
    return true;
  }

  /** An opening handshake: the rules are those of requests, but its `Origin` says what the CSRF header cannot. */
  async #upgrade(matched: Matched, handshake: Handshake): Promise<true> {
    const { request, response, route } = matched;
    const { token, websocket } = route.options;
    if (!websocket) refuseWebSocket(request);
    refuseBadHandshake(request);
    if (token !== 'none') refuseForeignOrigin(request.headers, this.options.publicUrl);
    // A page that nobody looks at opens its WebSocket again and again; that is no use of the session.
    const who = await this.#whoAsks(request, route, 'peek');
    const authorized = await this.headers.of(request, route, who);
    const place = this.openSockets.take(who.session?.id);
    const asked = this.#asked(matched, authorized);
    await openWebSocket({ handshake, response }, asked, this.openSockets, place);
    return true;
  }

  /** Judged before the session: a forged request learns nothing about it. */
  #refuseForeignRequest(
    { method, headers }: Request,
    { options: { token, csrf } }: ProxyRoute,
  ): void {
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

  /** A promise only when Redis has to be asked. */
  #whoAsks(
    { headers }: Request,
    route: ProxyRoute,
    how: 'read' | 'peek',
  ): WhoAsks | Promise<WhoAsks> {
    if (route.isAnonymous) return nobody;
    const presented = this.sessions[how](headers.cookie);
    return presented instanceof Promise
      ? presented.then((session) => this.#who(route, session))
      : this.#who(route, presented);
  }

  #who(route: ProxyRoute, presented: Session | undefined): WhoAsks {
    return { presented, session: this.#toldTo(route, presented) };
  }

  #asked(
    { request, route, target }: Matched,
    { headers, proof, afterRefusal, stepUp }: AuthorizedRequest,
    running?: RunningAnswer,
  ): UpstreamRequest {
    const { options, upstream } = route;
    // Member by member: to spread objects into one takes longer than all rules for headers.
    return {
      upstream,
      path: upstreamPath(options, upstream.basePath, target.path) + target.query,
      headers,
      proof,
      afterRefusal,
      stepUp,
      timeout: options.timeout,
      idleTimeout: options.idleTimeout ?? 0,
      maxBody: options.maxBody,
      retry: options.retry,
      responseHeaders: (theirs) => {
        if (running) running.headers = theirs;
        return route.answerHeaders.of(theirs, String(request.id));
      },
    };
  }

  /** Whom the upstream is told of. Absent: nobody is signed in, or has no account at its provider: a token goes to upstreams of its own only. */
  #toldTo({ options }: ProxyRoute, presented: Session | undefined): Session | undefined {
    const provider = options.provider ?? this.options.defaultProvider;
    if (!presented || presented.provider === provider) return presented;
    // A token of our own is sent for whoever is signed in.
    if (options.token === 'client') return presented;
    return provider === undefined ? undefined : sessionAt(presented, provider);
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
  const cause = new Error('not a WebSocket handshake for a route that accepts them');
  throw new BffError('invalid_request', { cause });
}
