import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { sessionAt } from '../session/sessions/linked-accounts.ts';
import { refuseForeignOrigin } from '../session/cookie/csrf.ts';
import { SessionReaderService } from '../session/sessions/session-reader.service.ts';
import type { Session } from '../session/sessions/session.ts';
import { AdmissionService, type Matched, refuseWebSocket } from './admission.service.ts';
import {
  AuthorizedHeadersService,
  type AuthorizedRequest,
  type Caller,
} from './authorize/authorized-headers.service.ts';
import {
  forward,
  startForwarding,
  type UpstreamRequest,
  type LogContext,
} from './forward/forward.ts';
import { type Handshake, refuseBadHandshake } from './forward/websocket-handshakes.ts';
import { StreamingResponses, type StreamingResponse } from './forward/streaming-responses.ts';
import { OpenSockets } from './forward/open-sockets.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import { type ProxyRoute, ProxyRoutes } from './route-table.ts';
import { upstreamPath } from './routes.ts';
import { openWebSocket } from './forward/upgrade.ts';

/** A request that can be forwarded at once, without asynchronous work. */
interface ReadyRequest {
  readonly matched: Matched;
  readonly who: Caller;
  readonly authorized: AuthorizedRequest;
}

/** Receives requests that match no route and requests that failed. */
type Next = (request: Request, response: Response) => void;

const nobody: Caller = { presented: undefined, session: undefined };

/**
 * Forwards requests to the upstream of their route, with the user's access token where the route
 * requires one.
 */
@Injectable()
export class ProxyService implements BeforeApplicationShutdown, OnApplicationShutdown {
  /** Requests that `serveFirst` passed to `next`, with the failure if there was one. */
  readonly #handedOn = new WeakMap<Request, { readonly failure?: unknown }>();

  constructor(
    @Inject(PROXY_OPTIONS) private readonly options: ProxyOptions,
    private readonly admission: AdmissionService,
    private readonly routes: ProxyRoutes,
    private readonly sessions: SessionReaderService,
    private readonly headers: AuthorizedHeadersService,
    private readonly openSockets: OpenSockets,
    private readonly longAnswers: StreamingResponses,
  ) {}

  /**
   * Serves a request. Resolves to `false`, without side effects, if it matches no route, otherwise
   * to `true` when the exchange is over. Throws a `BffError` if no response was sent.
   */
  async serve(request: Request, response: Response): Promise<boolean> {
    const before = this.#handedOn.get(request);
    if (before && 'failure' in before) throw before.failure;
    if (before) return false;
    const matched = this.admission.match(request, response);
    if (!matched) return false;
    await (matched.handshake ? this.#upgrade(matched, matched.handshake) : this.#forward(matched));
    return true;
  }

  /**
   * Serves a request as the first handler, synchronously if neither session nor token needs a
   * lookup. Calls `next` if the request matches no route or fails; a later `serve` then returns
   * `false` or throws the failure.
   */
  serveFirst(request: Request, response: Response, logContext: LogContext, next: Next): void {
    const call = this.#certainCall(request, response);
    if (!call) return logContext.within(() => void this.#serveOrHandOn(request, response, next));
    const running = this.#begin(call.who, response);
    const asked = this.#asked(call.matched, call.authorized, running, logContext);
    startForwarding(request, response, asked, (failure) => {
      if (running) this.longAnswers.end(running);
      if (!failure) return;
      this.#handedOn.set(request, { failure });
      logContext.within(() => next(request, response));
    });
  }

  /**
   * WebSockets do not close by themselves, so they are closed before the server waits for its
   * connections to end.
   */
  async beforeApplicationShutdown(): Promise<void> {
    await this.openSockets.drain();
  }

  async onApplicationShutdown(): Promise<void> {
    this.longAnswers.close();
    await this.routes.close();
  }

  /**
   * Returns `undefined` if the request needs a lookup or fails a check. `serve` repeats the checks
   * and throws the error.
   */
  #certainCall(request: Request, response: Response): ReadyRequest | undefined {
    try {
      const matched = this.admission.match(request, response);
      if (!matched || matched.handshake) return undefined;
      this.admission.refuseForeign(matched);
      const { route } = matched;
      const known = route.isAnonymous ? undefined : this.sessions.known(request.headers.cookie);
      if (!known && !route.isAnonymous) return undefined;
      const who = this.#who(route, known);
      const authorized = this.headers.atOnce(request, route, who);
      return authorized && { matched, who, authorized };
    } catch {
      return undefined;
    }
  }

  async #serveOrHandOn(request: Request, response: Response, next: Next): Promise<void> {
    try {
      if (await this.serve(request, response)) return;
      this.#handedOn.set(request, {});
    } catch (failure) {
      this.#handedOn.set(request, { failure });
    }
    next(request, response);
  }

  async #forward(matched: Matched): Promise<void> {
    const { request, response, route } = matched;
    this.admission.refuseForeign(matched);
    const who = await this.#whoAsks(request, route, 'read');
    const authorized = await this.headers.of(request, route, who);
    const running = this.#begin(who, response);
    try {
      await forward(request, response, this.#asked(matched, authorized, running));
    } finally {
      if (running) this.longAnswers.end(running);
    }
  }

  /**
   * Handshakes follow the rules of requests, but `Origin` replaces the CSRF header, which a browser
   * cannot send with them.
   */
  async #upgrade(matched: Matched, handshake: Handshake): Promise<void> {
    const { request, response, route } = matched;
    const { token, websocket } = route.options;
    if (!websocket) refuseWebSocket(request);
    refuseBadHandshake(request);
    if (token !== 'none') refuseForeignOrigin(request.headers, this.options.publicUrl);
    // A background page reconnects its WebSocket again and again. That must not extend the session.
    const who = await this.#whoAsks(request, route, 'peek');
    const authorized = await this.headers.of(request, route, who);
    const place = this.openSockets.take(who.session?.id);
    const asked = this.#asked(matched, authorized);
    await openWebSocket({ handshake, response }, asked, this.openSockets, place);
  }

  async #whoAsks({ headers }: Request, route: ProxyRoute, how: 'read' | 'peek'): Promise<Caller> {
    const presented = route.isAnonymous ? undefined : await this.sessions[how](headers.cookie);
    return this.#who(route, presented);
  }

  #who(route: ProxyRoute, presented: Session | undefined): Caller {
    return presented ? { presented, session: this.#toldTo(route, presented) } : nobody;
  }

  /** Returns `undefined` if the response belongs to no session. */
  #begin({ session }: Caller, response: Response): StreamingResponse | undefined {
    return session && this.longAnswers.begin(session.id, response);
  }

  #asked(
    { request, route, target }: Matched,
    { headers, proof, onUnauthorized, stepUp }: AuthorizedRequest,
    running?: StreamingResponse,
    logContext?: LogContext,
  ): UpstreamRequest {
    const { options, upstream } = route;
    // Listed one by one: spreading objects costs more than all the header rules.
    return {
      upstream,
      path: upstreamPath(options, upstream.basePath, target.path) + target.query,
      headers,
      proof,
      onUnauthorized,
      logContext,
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

  /**
   * Returns the session or connected account that the upstream may see. Returns `undefined` without
   * a session or an account at the provider of the route: a token goes only to upstreams of its own
   * provider.
   */
  #toldTo({ options }: ProxyRoute, presented: Session): Session | undefined {
    const provider = options.provider ?? this.options.defaultProvider;
    if (presented.provider === provider) return presented;
    // A client token is sent for any signed-in user.
    if (options.token === 'client') return presented;
    return provider === undefined ? undefined : sessionAt(presented, provider);
  }
}
