import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Request } from 'express';
import { BffError } from '../errors.ts';
import { type DpopKey, wantsNonce } from '../oauth/dpop.ts';
import { type AccessToken, AccessTokenService } from '../session/access-token.service.ts';
import { CLOCK, type Clock } from '../session/clock.ts';
import type { Session } from '../session/session.ts';
import { headersFrom } from './claim-headers.ts';
import type { Headers } from './headers.ts';
import { PROXY_OPTIONS, type ProxyOptions } from './proxy-options.ts';
import type { ProxyRoute } from './proxy-routes.ts';
import { type SenderProof, SenderProofs } from './sender-proof.ts';
import { plainAddress, TrustedPeers } from './trusted-peers.ts';

/** The headers an upstream gets, and others to ask it once more with. */
export interface AuthorizedRequest {
  readonly headers: Headers;
  /** Goes with each sending of the headers. Absent: their token needs no proof. */
  readonly proof?: SenderProof;
  /** Asked when the upstream answers `401`. Absent, now or then: its answer stands. It does not fail. */
  readonly afterRefusal?: (refusal: IncomingHttpHeaders) => Promise<Headers | undefined>;
}

/** Writes the headers of requests to upstreams, with the access token of who asks where the route wants one. */
@Injectable()
export class AuthorizedHeaders {
  readonly #logger = new Logger(AuthorizedHeaders.name);
  readonly #trustedPeers: TrustedPeers;
  readonly #proofs: SenderProofs;

  constructor(
    @Inject(PROXY_OPTIONS) private readonly options: ProxyOptions,
    @Inject(CLOCK) clock: Clock,
    private readonly accessTokens: AccessTokenService,
  ) {
    this.#proofs = new SenderProofs(clock);
    this.#trustedPeers = new TrustedPeers(options.trustedProxies);
  }

  /** `session` is that of who asks, if the route is to be told. Throws `not_signed_in` if it must be and is not. */
  async of(
    request: Request,
    route: ProxyRoute,
    session: Session | undefined,
  ): Promise<AuthorizedRequest> {
    const token = await this.#token(session, route);
    const clientAddress = plainAddress(request.socket.remoteAddress);
    const facts = {
      clientAddress,
      requestId: String(request.id),
      isTrustedPeer: this.#trustedPeers.includes(clientAddress),
      set: headersFrom(route.options.headers.set, session?.claims),
    };
    const headersWith = (authorization: string | undefined) =>
      route.requestHeaders.of(request.headers, { ...facts, authorization });
    const headers = headersWith(token?.authorization);
    if (!session) return { headers };
    if (token?.dpopKey) return this.#proven(token.dpopKey, request, session, headers, headersWith);
    return { headers, afterRefusal: (refusal) => this.#secondTry(refusal, session, headersWith) };
  }

  /** Answers a refusal that names a nonce with the same headers, whose next proof will have it. */
  #proven(
    key: DpopKey,
    { method = 'GET' }: Request,
    session: Session,
    headers: Headers,
    headersWith: (authorization: string) => Headers,
  ): AuthorizedRequest {
    const afterRefusal = async (refusal: IncomingHttpHeaders) =>
      wantsNonce(refusal) ? headers : this.#secondTry(refusal, session, headersWith);
    return { headers, proof: this.#proofs.by(key, method), afterRefusal };
  }

  /** The token the upstream gets. Absent: none. */
  async #token(
    session: Session | undefined,
    { options: { token, provider } }: ProxyRoute,
  ): Promise<Extract<AccessToken, { kind: 'token' }> | undefined> {
    const answer = session && (await this.accessTokens.accessTokenFor(session));
    if (answer?.kind === 'token') return answer;
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
