import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Request } from 'express';
import { BffError } from '../errors.ts';
import { type AccessToken, AccessTokenService } from '../session/access-token.service.ts';
import { isConnection } from '../session/connections.ts';
import type { Session } from '../session/session.ts';
import { headersFrom } from './claim-headers.ts';
import type { Headers } from './headers.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import type { ProxyRoute } from './proxy-routes.ts';
import { RouteAuthorization } from './route-authorization.service.ts';
import { loginUrl, type StepUpAnswer } from './step-up.ts';
import { plainAddress, TrustedPeers } from './trusted-peers.ts';

/** The headers an upstream gets, and others to ask it once more with. */
export interface AuthorizedRequest {
  readonly headers: Headers;
  /** Asked when the upstream answers `401`. Absent, now or then: its answer stands. It does not fail. */
  readonly afterRefusal?: (refusal: IncomingHttpHeaders) => Promise<Headers | undefined>;
  /** Asked before that: what is answered in the place of a `401`. Absent, now or then: nothing. */
  readonly stepUp?: StepUpAnswer | undefined;
}

/** Writes the headers of requests to upstreams, with the access token of who asks where the route wants one. */
@Injectable()
export class AuthorizedHeaders {
  readonly #logger = new Logger(AuthorizedHeaders.name);
  readonly #trustedPeers: TrustedPeers;

  constructor(
    @Inject(PROXY_OPTIONS) options: ProxyOptions,
    private readonly accessTokens: AccessTokenService,
    private readonly routeAuthorization: RouteAuthorization,
  ) {
    this.#trustedPeers = new TrustedPeers(options.trustedProxies);
  }

  /**
   * `session` is that of who asks, if the route is to be told; `presented` is theirs in any case. Throws `not_signed_in` or
   * `step_up_required` if it must be and is not.
   */
  async of(
    request: Request,
    route: ProxyRoute,
    session: Session | undefined,
    presented: Session | undefined,
  ): Promise<AuthorizedRequest> {
    const authorization = await this.#authorization(session, route, presented);
    const clientAddress = plainAddress(request.socket.remoteAddress);
    const facts = {
      clientAddress,
      requestId: String(request.id),
      isTrustedPeer: this.#trustedPeers.includes(clientAddress),
      set: headersFrom(route.options.headers.set, session?.claims),
    };
    const headersWith = (token: string | undefined) =>
      route.requestHeaders.of(request.headers, { ...facts, authorization: token });
    const headers = headersWith(authorization);
    if (!session && !route.wants) return { headers };
    const afterRefusal = (refusal: IncomingHttpHeaders) => {
      const replace = () => this.routeAuthorization.replacementFor(route, session, authorization);
      return this.#secondTry(refusal, replace, headersWith);
    };
    const whose = session && isConnection(session) ? 'connected' : 'signedIn';
    return { headers, afterRefusal, stepUp: session && route.stepUp?.[whose] };
  }

  /** The `Authorization` the upstream gets. Absent: none. */
  async #authorization(
    session: Session | undefined,
    route: ProxyRoute,
    presented: Session | undefined,
  ): Promise<string | undefined> {
    const answer = route.wants
      ? await this.routeAuthorization.tokenFor(route, session)
      : session && (await this.accessTokens.accessTokenFor(session));
    if (answer?.kind === 'token') return answer.authorization;
    const { token } = route.options;
    if (token === 'none' || token === 'optional') return undefined;
    // Whoever is signed in, but not there, connects an account to the session there is.
    const connects = session ? isConnection(session) : presented !== undefined;
    const extensions = { loginUrl: loginUrl(route.signInPlace, connects) };
    throw new BffError('not_signed_in', { extensions });
  }

  /** With a token in the place of one the upstream does not accept although its time is not over (RFC 6750 §3.1). */
  async #secondTry(
    refusal: IncomingHttpHeaders,
    replace: () => Promise<AccessToken>,
    headersWith: (authorization: string) => Headers,
  ): Promise<Headers | undefined> {
    if (!/\berror="?invalid_token\b/.test(refusal['www-authenticate'] ?? '')) return undefined;
    try {
      const answer = await replace();
      return answer.kind === 'token' ? headersWith(answer.authorization) : undefined;
    } catch (error) {
      this.#logger.debug({ msg: 'no other token for a second try', err: error });
      return undefined;
    }
  }
}
