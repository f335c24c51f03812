import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Request } from 'express';
import { BffError } from '../../errors.ts';
import { wantsNonce } from '../../oauth/client/dpop.ts';
import {
  type AccessToken,
  AccessTokenService,
  type SentToken,
} from '../../session/tokens/access-token.service.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { isConnection } from '../../session/sessions/linked-accounts.ts';
import type { Session } from '../../session/sessions/session.ts';
import { headersFrom } from '../headers/claim-headers.ts';
import type { OnUnauthorized } from '../forward/forward.ts';
import type { HeaderList } from '../headers/request-headers.ts';
import { PROXY_OPTIONS, type ProxyOptions } from '../proxy-options.ts';
import type { ProxyRoute } from '../route-table.ts';
import { RouteAuthorizationService } from './route-authorization.service.ts';
import { type DpopSigner, DpopSigners } from './dpop-signer.ts';
import { loginUrl, type StepUpResponse } from './step-up.ts';
import { plainAddress, TrustedPeers } from '../headers/trusted-peers.ts';

/** The headers of a request to an upstream, with the steps to take after a `401`. */
export interface AuthorizedRequest {
  readonly headers: HeaderList;
  /** Signs a new DPoP proof for each attempt. `undefined` if the token needs no proof. */
  readonly proof?: DpopSigner | undefined;
  /**
   * Called on a `401` response. Resolves to the headers for one more attempt, or to `undefined` to
   * relay the response. It must not reject.
   */
  readonly onUnauthorized?: OnUnauthorized | undefined;
  /** Called before `onUnauthorized`. Returns the error to send instead of the `401`, if any. */
  readonly stepUp?: StepUpResponse | undefined;
}

/** The client's session, and the account that the upstream may see. */
export interface Caller {
  /**
   * The session of the request. `undefined` if the client is not signed in or the session was not
   * read.
   */
  readonly presented: Session | undefined;
  /**
   * The session itself or a connected account. `undefined` if the upstream must not know the user.
   */
  readonly session: Session | undefined;
}

const noToken: AccessToken = { kind: 'none' };

/** Creates the headers of upstream requests, with an access token where the route requires one. */
@Injectable()
export class AuthorizedHeadersService {
  readonly #logger = new Logger(AuthorizedHeadersService.name);
  /** Routes and header names that were logged in a warning. Bounded by the configuration. */
  readonly #leftOut = new Set<string>();
  readonly #trustedPeers: TrustedPeers;
  readonly #proofs: DpopSigners;

  constructor(
    @Inject(PROXY_OPTIONS) options: ProxyOptions,
    @Inject(CLOCK) clock: Clock,
    private readonly accessTokens: AccessTokenService,
    private readonly routeAuthorization: RouteAuthorizationService,
  ) {
    this.#proofs = new DpopSigners(clock);
    this.#trustedPeers = new TrustedPeers(options.trustedProxies);
  }

  /**
   * Creates the headers of a request. Throws `not_signed_in` or `step_up_required` if the sign-in
   * does not meet the requirements of the route.
   */
  async of(request: Request, route: ProxyRoute, who: Caller): Promise<AuthorizedRequest> {
    return this.#with(await this.#token(route, who.session), request, route, who);
  }

  /**
   * Creates the headers synchronously. Returns `undefined` if the token needs a lookup or a
   * refresh.
   */
  atOnce(request: Request, route: ProxyRoute, who: Caller): AuthorizedRequest | undefined {
    if (route.wants) return undefined;
    const token = who.session ? this.accessTokens.certainTokenFor(who.session) : noToken;
    return token && this.#with(token, request, route, who);
  }

  #with(answer: AccessToken, request: Request, route: ProxyRoute, who: Caller): AuthorizedRequest {
    const { session } = who;
    const token = usable(answer, route, who);
    const headers = this.#headers(request, route, session, token?.authorization);
    if (!session && !route.wants) return { headers };
    const proof = token?.dpopKey && this.#proofs.by(token.dpopKey, request.method);
    const onUnauthorized = async (refusal: IncomingHttpHeaders) => {
      // The next proof will contain the nonce.
      if (proof && wantsNonce(refusal)) return headers;
      if (!token) return undefined;
      const replace = () => this.routeAuthorization.replacementFor(route, session, token);
      const other = await this.#otherToken(refusal, replace);
      return other && isProvable(other, proof)
        ? this.#headers(request, route, session, other.authorization)
        : undefined;
    };
    const whose = session && isConnection(session) ? 'connected' : 'signedIn';
    return {
      headers,
      proof,
      onUnauthorized,
      stepUp: session && route.stepUp?.[whose],
    };
  }

  #headers(
    request: Request,
    route: ProxyRoute,
    session: Session | undefined,
    authorization: string | undefined,
  ): HeaderList {
    const clientAddress = plainAddress(request.socket.remoteAddress);
    const facts = {
      clientAddress,
      requestId: String(request.id),
      isTrustedPeer: this.#trustedPeers.includes(clientAddress),
      set: headersFrom(route.options.headers.set, session?.claims, (name) =>
        this.#warnOnce(route.path, name),
      ),
    };
    return route.requestHeaders.of(request.headers, facts, authorization);
  }

  /** Does not log the value, which is personal data. */
  #warnOnce(route: string, header: string): void {
    const key = `${route} ${header}`;
    if (this.#leftOut.has(key)) return;
    this.#leftOut.add(key);
    const msg = 'a header of headers.set is left out: its claims take more than 8 KB';
    this.#logger.warn({ msg, route, header });
  }

  async #token(route: ProxyRoute, session: Session | undefined): Promise<AccessToken> {
    if (route.wants) return this.routeAuthorization.tokenFor(route, session);
    return session ? this.accessTokens.accessTokenFor(session) : noToken;
  }

  /** Gets a replacement for a token that the upstream refuses before it expires (RFC 6750 §3.1). */
  async #otherToken(
    refusal: IncomingHttpHeaders,
    replace: () => Promise<AccessToken>,
  ): Promise<SentToken | undefined> {
    if (!/\berror="?invalid_token\b/.test(refusal['www-authenticate'] ?? '')) return undefined;
    try {
      const answer = await replace();
      return answer.kind === 'token' ? answer : undefined;
    } catch (error) {
      this.#logger.debug({ msg: 'no other token for a second try', err: error });
      return undefined;
    }
  }
}

/**
 * Returns the token to send, or `undefined` if the route works without one. Otherwise throws
 * `not_signed_in`.
 */
function usable(
  answer: AccessToken,
  { options, signInPlace }: ProxyRoute,
  { session, presented }: Caller,
): SentToken | undefined {
  if (answer.kind === 'token') return answer;
  if (options.token === 'none' || options.token === 'optional') return undefined;
  // A user who is signed in at another provider connects an account to the existing session.
  const connects = session ? isConnection(session) : presented !== undefined;
  const extensions = { loginUrl: loginUrl(signInPlace, connects) };
  throw new BffError('not_signed_in', { extensions });
}

/**
 * Whether the new token can replace the old one. If it is bound to a key, later proofs use that
 * key.
 */
function isProvable({ dpopKey }: SentToken, proof: DpopSigner | undefined): boolean {
  if (dpopKey) proof?.change(dpopKey);
  return (dpopKey === undefined) === (proof === undefined);
}
