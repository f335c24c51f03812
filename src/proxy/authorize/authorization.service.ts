import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Request } from 'express';
import { CLOCK, type Clock } from '../../clock.ts';
import type { BearerCaller } from '../../access/bearer/bearer-callers.service.ts';
import { challenged } from '../../access/bearer/challenge.ts';
import { BffError } from '../../errors.ts';
import { type Demand, satisfies } from '../../oauth/login/acr.ts';
import type { Claims } from '../../oauth/login/claims.ts';
import { requiresNonce } from '../../oauth/client/dpop.ts';
import { authorizationOf, type TokenSet } from '../../oauth/tokens/token-set.ts';
import { isConnection } from '../../session/sessions/linked-accounts.ts';
import type { Session } from '../../session/sessions/session.ts';
import { SignedOutNavigationService } from '../../session/navigation/signed-out-navigation.service.ts';
import { RouteTokenService } from '../../session/tokens/route-token.service.ts';
import { inRequestLog } from '../../telemetry/server-log.service.ts';
import type { AdmittedRequest } from '../admission.service.ts';
import { headersFrom } from '../headers/claim-headers.ts';
import { plainAddress, TrustedPeers } from '../headers/trusted-peers.ts';
import { after, type MaybePromise } from '../../http/maybe-promise.ts';
import { PROXY_OPTIONS, type ProxyOptions } from '../proxy-options.ts';
import type { ProxyRoute } from '../route-table.ts';
import type { AttemptHeaders, AuthorizedRequest } from '../upstream/upstream-request.ts';
import { DpopSigners } from './dpop-signer.ts';
import { ForeignTokensService } from './foreign-tokens.service.ts';
import { loginUrl, stepUpError, stepUpParameters } from './step-up.ts';

/** The user of a request. */
export interface Caller {
  /**
   * The session of the request. `undefined` if the client is not signed in or the route does not
   * read the session.
   */
  readonly session: Session | undefined;
  /**
   * The part of the session that the upstream may receive: the session itself or a connected
   * account. `undefined` if there is none at the provider of the route.
   */
  readonly account: Session | undefined;
  /**
   * The caller with an access token in `Authorization`: its session is that of a handle, and its
   * cookie does not count. `undefined` for browsers.
   */
  readonly bearer: BearerCaller | undefined;
}

/** The claims that rules and headers are about. `undefined` without an account. */
export function claimsOf({ account, bearer }: Caller): Claims | undefined {
  return account?.claims ?? bearer?.foreign?.claims;
}

/** Creates the headers of upstream requests, with an access token where the route requires one. */
@Injectable()
export class AuthorizationService {
  readonly #logger = new Logger(AuthorizationService.name);
  /** Routes and header names that were logged in a warning. Bounded by the configuration. */
  readonly #warned = new Set<string>();
  readonly #trustedPeers: TrustedPeers;
  readonly #signers: DpopSigners;

  constructor(
    @Inject(PROXY_OPTIONS) options: ProxyOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly tokens: RouteTokenService,
    private readonly callerTokens: ForeignTokensService,
    private readonly navigations: SignedOutNavigationService,
  ) {
    this.#signers = new DpopSigners(clock);
    this.#trustedPeers = new TrustedPeers(options.trustedProxies);
  }

  /**
   * Creates the headers of a request. Returns a promise only if a token must be requested. Throws
   * `not_signed_in` or `step_up_required` if the sign-in does not meet the requirements of the
   * route, `csrf` for a signed-in page navigation from another site, and the errors of the token
   * services.
   */
  authorize(admitted: AdmittedRequest, caller: Caller): MaybePromise<AuthorizedRequest> {
    const { request, route, isPage } = admitted;
    if (route.isProtected && !caller.session) throw this.#notSignedIn(admitted, caller);
    if (isPage && caller.session) this.navigations.refuseOtherSites(request);
    return after(this.#tokensFor(route, caller), (tokens) => {
      const mayHaveNone = caller.bearer?.foreign && !route.options.forwardToken;
      if (!tokens && route.requiresToken && !mayHaveNone) throw this.#notSignedIn(admitted, caller);
      return this.#authorizedBy(tokens, admitted, caller);
    });
  }

  /** Throws `step_up_required` before a token is requested. */
  #tokensFor(route: ProxyRoute, caller: Caller): MaybePromise<TokenSet | undefined> {
    const { requirements, isAnonymous } = route;
    const { account, bearer } = caller;
    if (!account && !bearer?.foreign && !isAnonymous) return undefined;
    const user = account ?? bearer?.foreign;
    const demand = requirements?.demand;
    if (user && demand && !satisfies(user, demand, this.clock()))
      throw this.#stepUpError(route, caller, demand);
    if (bearer?.foreign) return this.callerTokens.tokensFor(route, bearer.foreign);
    return this.tokens.tokensFor(requirements?.policy, account);
  }

  /** A client without cookies cannot follow a `loginUrl`. It gets the challenge of RFC 9470. */
  #stepUpError({ signInTarget, bearer }: ProxyRoute, caller: Caller, demand: Demand): BffError {
    if (bearer && caller.bearer)
      return challenged('step_up_required', bearer, {}, stepUpParameters(demand));
    return stepUpError(signInTarget, caller.account, demand);
  }

  /** The error for a request that only a sign-in can help. */
  #notSignedIn({ request, route, handshake }: AdmittedRequest, caller: Caller): BffError {
    const { session, account } = caller;
    // A user who is signed in at another provider connects an account to the existing session.
    const connects = account ? isConnection(account) : session !== undefined;
    const { bearer } = route;
    if (bearer && caller.bearer) {
      const cause = new Error('the session has no access token for this route');
      return challenged('invalid_token', bearer, { cause });
    }
    const url = loginUrl(route.signInTarget, connects);
    if (route.sendsToSignIn && !handshake) return this.navigations.notSignedIn(request, url);
    const options = { extensions: { loginUrl: url } };
    return bearer
      ? challenged('not_signed_in', bearer, options)
      : new BffError('not_signed_in', options);
  }

  #authorizedBy(
    tokens: TokenSet | undefined,
    { request, response, route }: AdmittedRequest,
    caller: Caller,
  ): AuthorizedRequest {
    const first = this.#attempt(tokens, request, route, caller);
    const { account } = caller;
    // The step-up of a client without cookies is between it and its authorization server.
    const stepUp = caller.bearer ? undefined : route.stepUp;
    return {
      headers: first.headers,
      proof: first.proof,
      onUnauthorized:
        tokens &&
        ((refusal) =>
          inRequestLog(response, async () => {
            // The next proof will contain the nonce.
            if (first.proof && requiresNonce(refusal)) return first;
            const others = await this.#replacement(refusal, tokens, route, caller);
            return others && this.#attempt(others, request, route, caller);
          })),
      stepUp: account && stepUp?.[isConnection(account) ? 'connected' : 'signedIn'],
    };
  }

  #attempt(
    tokens: TokenSet | undefined,
    request: Request,
    route: ProxyRoute,
    caller: Caller,
  ): AttemptHeaders {
    const clientAddress = plainAddress(request.socket.remoteAddress);
    const facts = {
      clientAddress,
      requestId: String(request.id),
      isTrustedPeer: this.#trustedPeers.includes(clientAddress),
      set: headersFrom(route.options.headers.set, claimsOf(caller), (name) =>
        this.#warnOnce(route.path, name),
      ),
    };
    const authorization = tokens && authorizationOf(tokens);
    const headers = route.requestHeaders.of(request.headers, facts, authorization);
    return { headers, proof: tokens && this.#signers.signerFor(tokens, request.method) };
  }

  /** Does not log the value, which is personal data. */
  #warnOnce(route: string, header: string): void {
    const key = `${route} ${header}`;
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    const msg = 'a header of headers.set is left out: its claims take more than 8 KB';
    this.#logger.warn({ msg, route, header });
  }

  /**
   * Gets other tokens if the upstream refused the token as invalid (RFC 6750 §3.1). `undefined` if
   * there are none, or if they are bound in another way than the refused ones.
   */
  async #replacement(
    refusal: IncomingHttpHeaders,
    refused: TokenSet,
    route: ProxyRoute,
    { account, bearer }: Caller,
  ): Promise<TokenSet | undefined> {
    if (!/\berror="?invalid_token\b/.test(refusal['www-authenticate'] ?? '')) return undefined;
    try {
      const others = bearer?.foreign
        ? await this.callerTokens.replacementFor(route, bearer.foreign, refused)
        : await this.tokens.replacementFor(route.requirements?.policy, account, refused);
      return others && Boolean(others.dpopKey) === Boolean(refused.dpopKey) ? others : undefined;
    } catch (error) {
      this.#logger.debug({ msg: 'no other token for a second try', err: error });
      return undefined;
    }
  }
}
