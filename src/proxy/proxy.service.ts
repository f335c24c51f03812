import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationShutdown,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { AccessService } from '../access/access.service.ts';
import type { BearerRoute } from '../access/bearer/bearer-route.ts';
import { BearerCallersService, type CallerToken } from '../access/bearer/bearer-callers.service.ts';
import { challengesFor, relayedChallenges } from '../access/bearer/challenge.ts';
import { nameOfToken } from '../oauth/bearer/remembered.ts';
import { isConnection, sessionAt } from '../session/sessions/linked-accounts.ts';
import { SessionReaderService } from '../session/sessions/session-reader.service.ts';
import type { Session } from '../session/sessions/session.ts';
import { type AdmittedRequest, AdmissionService } from './admission.service.ts';
import { AuthorizationService } from './authorize/authorization.service.ts';
import { anonymous, type Caller, subjectOf } from './authorize/caller.ts';
import { forward } from './forward/forward.ts';
import { OpenSockets } from './forward/open-sockets.ts';
import type { ConnectionBinding } from './forward/connection-binding.ts';
import { StreamingResponses, type StreamingResponse } from './forward/streaming-responses.ts';
import { openWebSocket } from './forward/websocket.ts';
import { type HeaderList, valueOf, without } from './headers/request-headers.ts';
import { after, type MaybePromise } from '../http/maybe-promise.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import { type ProxyRoute, ProxyRoutes } from './route-table.ts';
import { upstreamPath } from './routes.ts';
import type { AuthorizedRequest, UpstreamRequest } from './upstream/upstream-request.ts';

/** Called for a request that matches no route, or with the error of one that failed. */
export type PassOn = (failure?: unknown) => void;

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
    private readonly bearers: BearerCallersService,
    private readonly access: AccessService,
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
    let fail = passOn;
    try {
      const admitted = this.admission.admit(request, response);
      if (!admitted) return passOn();
      const { bearer } = admitted.route;
      if (bearer) fail = withChallenges(admitted, bearer, passOn);
      const served = after(this.#caller(admitted), (caller) => {
        this.#refuseByRules(admitted, caller);
        return after(this.authorization.authorize(admitted, caller), (authorized) =>
          this.#send(admitted, caller, authorized, fail),
        );
      });
      if (served instanceof Promise) served.catch(fail);
    } catch (failure) {
      fail(failure);
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

  #caller({ request, route, handshake, bearer }: AdmittedRequest): MaybePromise<Caller> {
    if (route.isAnonymous) return anonymous;
    if (bearer) return this.#bearerCaller(request, route, bearer, handshake !== undefined);
    const { cookie } = request.headers;
    // A background page reconnects its WebSocket again and again. That must not extend the session.
    const session = handshake ? this.sessions.peek(cookie) : this.sessions.read(cookie);
    return after(session, (found) =>
      found
        ? { session: found, account: this.#accountFor(route, found), bearer: undefined }
        : anonymous,
    );
  }

  /** The cookie of a request with an access token is never read. */
  async #bearerCaller(
    request: Request,
    route: ProxyRoute,
    bearerRoute: BearerRoute,
    isHandshake: boolean,
  ): Promise<Caller> {
    if (request.headers.authorization === undefined) return anonymous;
    const bearer = await this.bearers.callerOf(request, bearerRoute, isHandshake);
    const { session } = bearer;
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
  #refuseByRules({ request, route: { rules, path } }: AdmittedRequest, caller: Caller): void {
    const subject = rules && subjectOf(caller);
    const refusal = subject && rules.refusal(subject.claims, request.method);
    if (refusal) throw this.access.refused(refusal, path);
  }

  /**
   * Ties an open connection to the session, to its claims if the route has rules, and to the
   * connected account whose token it carries. A WebSocket of a client ends with its access token,
   * as does every connection with a token of another issuer. `undefined` for a client that is not
   * signed in.
   */
  #bind(
    { request, route, handshake }: AdmittedRequest,
    { session: current, account, bearer }: Caller,
  ): ConnectionBinding | undefined {
    // What a protected frontend or a handle of a session got ends with the session, too.
    const watched = account ?? (route.isProtected || bearer ? current : undefined);
    if (!watched) return bearer?.token && bindingToToken(bearer.token);
    const { id } = watched;
    const { rules } = route;
    const endsAt = handshake && bearer?.expiresAt;
    const binding = { owner: id, sessionId: id, endsAt, isStillAllowed: undefined };
    if (!account || (!rules && !isConnection(account))) return binding;
    const { method } = request;
    const { sub } = account;
    return {
      ...binding,
      isStillAllowed: async () => {
        const session = await this.sessions.find(id).catch(() => undefined);
        // Without a session, or if the store is unavailable, its end decides.
        if (!session) return true;
        const latest = this.#accountFor(route, session);
        return latest?.sub === sub && !rules?.refusal(latest.claims, method);
      },
    };
  }

  #send(
    admitted: AdmittedRequest,
    caller: Caller,
    authorized: AuthorizedRequest,
    passOn: PassOn,
  ): MaybePromise<void> {
    const { request, response, handshake } = admitted;
    const binding = this.#bind(admitted, caller);
    if (handshake) {
      const slot = this.openSockets.take(binding);
      const upstreamRequest = describe(admitted, caller, authorized);
      return openWebSocket({ handshake, response }, upstreamRequest, this.openSockets, slot);
    }
    const running = binding && this.streamingResponses.begin(binding, response);
    const upstreamRequest = describe(admitted, caller, authorized, running);
    forward(request, response, upstreamRequest, (failure) => {
      if (running) this.streamingResponses.end(running);
      if (failure) passOn(failure);
    });
  }
}

/** A token without a subject counts alone, so that the clients of its issuer share no limit. */
function bindingToToken({ issuer, sub, value, expiresAt }: CallerToken): ConnectionBinding {
  const owner = sub === undefined ? nameOfToken(value) : JSON.stringify([issuer, sub]);
  return { owner, sessionId: undefined, endsAt: expiresAt, isStillAllowed: undefined };
}

/** Adds challenges to the failures of a route that accepts access tokens. */
function withChallenges(
  { request, response }: AdmittedRequest,
  bearer: BearerRoute,
  passOn: PassOn,
): PassOn {
  return (failure) => {
    const challenges = challengesFor(failure, bearer, request.headers.authorization);
    if (challenges && !response.headersSent) response.setHeader('WWW-Authenticate', challenges);
    passOn(failure);
  };
}

function describe(
  { request, route, target, bearer }: AdmittedRequest,
  caller: Caller,
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
      const headers = responseHeaders.of(received, String(request.id));
      return bearer ? withOwnMetadata(headers, bearer, request, authorized, caller) : headers;
    },
  };
}

/** Replaces the challenges of an upstream for a client with an access token. */
function withOwnMetadata(
  headers: HeaderList,
  route: BearerRoute,
  request: Request,
  { headers: sent }: AuthorizedRequest,
  { bearer }: Caller,
): HeaderList {
  const received = valueOf('www-authenticate', headers);
  if (received === undefined) return headers;
  const isForwarded = valueOf('authorization', sent) === `Bearer ${bearer?.token?.value}`;
  const { authorization } = request.headers;
  const challenges = relayedChallenges(received, route, authorization, isForwarded);
  if (!challenges) return headers;
  return [...without('www-authenticate', headers), 'www-authenticate', challenges];
}
