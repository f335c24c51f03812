import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Request } from 'express';
import { BffError } from '../errors.ts';
import { AccessTokenService } from '../session/access-token.service.ts';
import type { Session } from '../session/session.ts';
import { headersFrom } from './claim-headers.ts';
import type { Headers } from './headers.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import type { ProxyRoute } from './proxy-routes.ts';
import { plainAddress, TrustedPeers } from './trusted-peers.ts';

/** The headers an upstream gets, and others to ask it once more with. */
export interface AuthorizedRequest {
  readonly headers: Headers;
  /** Asked when the upstream answers `401`. Absent, now or then: its answer stands. It does not fail. */
  readonly afterRefusal?: (refusal: IncomingHttpHeaders) => Promise<Headers | undefined>;
}

/** Writes the headers of requests to upstreams, with the access token of who asks where the route wants one. */
@Injectable()
export class AuthorizedHeaders {
  readonly #logger = new Logger(AuthorizedHeaders.name);
  readonly #trustedPeers: TrustedPeers;

  constructor(
    @Inject(PROXY_OPTIONS) private readonly options: ProxyOptions,
    private readonly accessTokens: AccessTokenService,
  ) {
    this.#trustedPeers = new TrustedPeers(options.trustedProxies);
  }

  /** `session` is that of who asks, if the route is to be told. Throws `not_signed_in` if it must be and is not. */
  async of(
    request: Request,
    route: ProxyRoute,
    session: Session | undefined,
  ): Promise<AuthorizedRequest> {
    const authorization = await this.#authorization(session, route);
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
    if (!session) return { headers };
    return { headers, afterRefusal: (refusal) => this.#secondTry(refusal, session, headersWith) };
  }

  /** The `Authorization` the upstream gets. Absent: none. */
  async #authorization(
    session: Session | undefined,
    { options: { token, provider } }: ProxyRoute,
  ): Promise<string | undefined> {
    const answer = session && (await this.accessTokens.accessTokenFor(session));
    if (answer?.kind === 'token') return answer.authorization;
    if (token === 'none' || token === 'optional') return undefined;
    const loginUrl = `${this.options.basePath}/login${provider ? `?provider=${provider}` : ''}`;
    throw new BffError('not_signed_in', { extensions: { loginUrl } });
  }

  /** With a token in the place of one the upstream does not accept although its time is not over (RFC 6750 §3.1). */
  async #secondTry(
    refusal: IncomingHttpHeaders,
    session: Session,
    headersWith: (authorization: string) => Headers,
  ): Promise<Headers | undefined> {
    if (!/\berror="?invalid_token\b/.test(refusal['www-authenticate'] ?? '')) return undefined;
    try {
      const answer = await this.accessTokens.replacementFor(session);
      return answer.kind === 'token' ? headersWith(answer.authorization) : undefined;
    } catch (error) {
      this.#logger.debug({ msg: 'no other token for a second try', err: error });
      return undefined;
    }
  }
}
