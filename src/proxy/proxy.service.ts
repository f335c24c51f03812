import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { AccessService } from '../access/access.service.ts';
import {
  type BearerCaller,
  BearerCallersService,
  type ForeignToken,
} from '../access/bearer/bearer-callers.service.ts';
import { isConnection, sessionAt } from '../session/sessions/linked-accounts.ts';
import { SessionReaderService } from '../session/sessions/session-reader.service.ts';
import type { Session } from '../session/sessions/session.ts';
import { type AdmittedRequest, AdmissionService } from './admission.service.ts';
import { AuthorizationService, type Caller, claimsOf } from './authorize/authorization.service.ts';
import { forward } from './forward/forward.ts';
import { OpenSockets } from './forward/open-sockets.ts';
import type { SessionBinding } from './forward/session-binding.ts';
import { StreamingResponses, type StreamingResponse } from './forward/streaming-responses.ts';
import { openWebSocket } from './forward/websocket.ts';
import { after, type MaybePromise } from '../http/maybe-promise.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import { type ProxyRoute, ProxyRoutes } from './route-table.ts';
import { upstreamPath } from './routes.ts';
import type { AuthorizedRequest, UpstreamRequest } from './upstream/upstream-request.ts';

/** Called for a request that matches no route, or with the error of one that failed. */
export type PassOn = (failure?: unknown) => void;

const anonymous: Caller = { session: undefined, account: undefined, bearer: undefined };

/**
 * Forwards requests to the upstream of their route, with the user's access token where the route
 * requires one.
 */
@Injectable()
export class ProxyService implements BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(
    @Inject(PROXY_OPTIONS) private readonly options: ProxyOptions,
    private readonly admission: AdmissionService,
    private readonly routes: ProxyRoutes,
    private readonly sessions: SessionReaderService,
    private readonly access: AccessService,
    private readonly bearerCallers: BearerCallersService,
    private readonly authorization: AuthorizationService,
    private readonly openSockets: OpenSockets,
    private readonly streamingResponses: StreamingResponses,
  ) {}

  /**
   * Serves a request or WebSocket handshake, without waiting for anything but the upstream if the
   * session and its token are cached. Calls `passOn` at most once: without an error if no route
   * matches, or with the `BffError` of a request that got no complete response.
   */
  serve(request: Request, response: Response, passOn: PassOn): void {
    try {
      const admitted = this.admission.admit(request, response);
      if (!admitted) return passOn();
      const served = after(this.#caller(admitted), (caller) => {
        this.#refuseByRules(admitted, caller);
        return after(this.authorization.authorize(admitted, caller), (authorized) =>
          this.#send(admitted, caller, authorized, passOn),
        );
      });
      if (served instanceof Promise) served.catch(passOn);
    } catch (failure) {
      passOn(failure);
    }
  }

  /**
   * WebSockets do not close by themselves, so they are closed before the server waits for its
   * connections to end.
   */
  async beforeApplicationShutdown(): Promise<void> {
    await this.openSockets.drain();
  }

  async onApplicationShutdown(): Promise<void> {
    this.streamingResponses.close();
    await this.routes.close();
  }

  #caller({ request, route, handshake, isBearer }: AdmittedRequest): MaybePromise<Caller> {
    if (route.isAnonymous) return anonymous;
    if (route.bearer && isBearer) {
      const found = this.bearerCallers.callerOf(request, route.bearer, handshake !== undefined);
      return after(found, (bearer) => this.#callerWith(route, bearer.session, bearer));
    }
    if (route.bearer?.isOnly) return anonymous;
    const { cookie } = request.headers;
    // A background page reconnects its WebSocket again and again. That must not extend the session.
    const session = handshake ? this.sessions.peek(cookie) : this.sessions.read(cookie);
    return after(session, (found) => (found ? this.#callerWith(route, found) : anonymous));
  }

  #callerWith(route: ProxyRoute, session: Session | undefined, bearer?: BearerCaller): Caller {
    return { session, account: session && this.#accountFor(route, session), bearer };
  }

  /**
   * Returns the session or connected account that the upstream may see. Returns `undefined` without
   * an account at the provider of the route: a token goes only to upstreams of its own provider.
   */
  #accountFor({ options }: ProxyRoute, session: Session): Session | undefined {
    if (options.token === 'none') return undefined;
    const provider = options.provider ?? this.options.defaultProvider;
    if (session.provider === provider) return session;
    // A client token is sent for any signed-in user.
    if (options.token === 'client') return session;
    return provider === undefined ? undefined : sessionAt(session, provider);
  }

  /** Throws `not_allowed` if `routes[].require` does not admit the user. */
  #refuseByRules({ request, route }: AdmittedRequest, caller: Caller): void {
    if (!route.rules) return;
    const claims = claimsOf(caller);
    const refusal = claims && route.rules.refusal(claims, request.method);
    if (refusal) throw this.access.refused(refusal, route.path);
  }

  /**
   * Ties an open connection to the session, to its claims if the route has rules, and to the
   * connected account whose token it carries.
   */
  #bind(
    { request, route }: AdmittedRequest,
    watched: Session,
    expiresAt: number | undefined,
  ): SessionBinding {
    const { id, sub } = watched;
    const { rules } = route;
    const session = { sessionId: id, owner: id, expiresAt };
    if (!rules && !isConnection(watched)) return { ...session, isStillAllowed: undefined };
    const { method } = request;
    return {
      ...session,
      isStillAllowed: async () => {
        const current = await this.sessions.find(id).catch(() => undefined);
        // Without a session, or if the store is unavailable, its end decides.
        if (!current) return true;
        const account = this.#accountFor(route, current);
        return account?.sub === sub && !rules?.refusal(account.claims, method);
      },
    };
  }

  #send(
    admitted: AdmittedRequest,
    { session, account, bearer }: Caller,
    authorized: AuthorizedRequest,
    passOn: PassOn,
  ): MaybePromise<void> {
    const { request, response, route, handshake } = admitted;
    // What a protected frontend sends ends with the session, too.
    const watched = account ?? (route.isProtected ? session : undefined);
    const binding = watched && this.#bind(admitted, watched, bearer?.expiresAt);
    if (handshake) {
      const slot = this.openSockets.take(
        binding ?? (bearer?.foreign && bindToToken(bearer.foreign)),
      );
      const upstreamRequest = describe(admitted, authorized);
      return openWebSocket({ handshake, response }, upstreamRequest, this.openSockets, slot);
    }
    const running = binding && this.streamingResponses.begin(binding, response);
    forward(request, response, describe(admitted, authorized, running), (failure) => {
      if (running) this.streamingResponses.end(running);
      if (failure) passOn(failure);
    });
  }
}

/** Ties a WebSocket to the access token of its caller, which has no session here. */
function bindToToken({ issuer, sub = '', expiresAt }: ForeignToken): SessionBinding {
  const owner = JSON.stringify([issuer, sub]);
  return { sessionId: undefined, owner, isStillAllowed: undefined, expiresAt };
}

function describe(
  { request, route, target }: AdmittedRequest,
  authorized: AuthorizedRequest,
  running?: StreamingResponse,
): UpstreamRequest {
  const { options, upstream, responseHeaders } = route;
  return {
    upstream,
    path: upstreamPath(options, upstream.basePath, target.path) + target.query,
    authorized,
    options,
    responseHeaders: (received) => {
      if (running) running.headers = received;
      return responseHeaders.of(received, String(request.id));
    },
  };
}
