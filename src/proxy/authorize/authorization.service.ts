import type { IncomingHttpHeaders } from 'node:http';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Request } from 'express';
import { CLOCK, type Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';
import { satisfies } from '../../oauth/login/acr.ts';
import { requiresNonce } from '../../oauth/client/dpop.ts';
import { authorizationOf, type TokenSet } from '../../oauth/tokens/token-set.ts';
import { isConnection } from '../../session/sessions/linked-accounts.ts';
import type { Claims } from '../../oauth/login/claims.ts';
import { SignedOutNavigationService } from '../../session/navigation/signed-out-navigation.service.ts';
import { inRequestLog } from '../../telemetry/server-log.service.ts';
import type { AdmittedRequest } from '../admission.service.ts';
import { headersFrom } from '../headers/claim-headers.ts';
import { plainAddress, TrustedPeers } from '../headers/trusted-peers.ts';
import { after, type MaybePromise } from '../../http/maybe-promise.ts';
import { PROXY_OPTIONS, type ProxyOptions } from '../proxy-options.ts';
import type { ProxyRoute } from '../route-table.ts';
import type { AttemptHeaders, AuthorizedRequest } from '../upstream/upstream-request.ts';
import { type Caller, subjectOf } from './caller.ts';
import { DpopSigners } from './dpop-signer.ts';
import { loginUrl, stepUpError, type StepUpReader } from './step-up.ts';
import { UpstreamTokensService, withheld } from './upstream-tokens.service.ts';

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
    private readonly tokens: UpstreamTokensService,
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
    this.#refuseWeakSignIn(route, caller);
    return after(this.tokens.tokensFor(route, caller), (tokens) => {
      if (!tokens && route.requiresToken) throw this.#notSignedIn(admitted, caller);
      return this.#authorizedBy(tokens === withheld ? undefined : tokens, admitted, caller);
    });
  }

  /** Throws `step_up_required` before a token is requested. */
  #refuseWeakSignIn({ requirements, signInTarget }: ProxyRoute, caller: Caller): void {
    const demand = requirements?.demand;
    const subject = demand && subjectOf(caller);
    if (!demand || !subject || satisfies(subject, demand, this.clock())) return;
    const { account, bearer } = caller;
    const isConnected = account !== undefined && isConnection(account);
    throw stepUpError(bearer ? undefined : signInTarget, isConnected, demand);
  }

  /** The error for a request that only a sign-in can help. */
  #notSignedIn({ request, route, handshake, bearer }: AdmittedRequest, caller: Caller) {
    const { session, account } = caller;
    if (caller.bearer) return clientWithoutTokens(caller);
    // No page would help a client that is no browser.
    if (bearer) return new BffError('not_signed_in', { extensions: { loginUrl: undefined } });
    // A user who is signed in at another provider connects an account to the existing session.
    const connects = account ? isConnection(account) : session !== undefined;
    const url = loginUrl(route.signInTarget, connects);
    if (route.sendsToSignIn && !handshake) return this.navigations.notSignedIn(request, url);
    return new BffError('not_signed_in', { extensions: { loginUrl: url } });
  }

  #authorizedBy(
    tokens: TokenSet | undefined,
    { request, response, route }: AdmittedRequest,
    caller: Caller,
  ): AuthorizedRequest {
    const claims = subjectOf(caller)?.claims;
    const first = this.#attempt(tokens, request, route, claims);
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
            return others && this.#attempt(others, request, route, claims);
          })),
      stepUp: stepUpReaderFor(route, caller),
    };
  }

  #attempt(
    tokens: TokenSet | undefined,
    request: Request,
    route: ProxyRoute,
    claims: Claims | undefined,
  ): AttemptHeaders {
    const clientAddress = plainAddress(request.socket.remoteAddress);
    const facts = {
      clientAddress,
      requestId: String(request.id),
      isTrustedPeer: this.#trustedPeers.includes(clientAddress),
      set: headersFrom(route.options.headers.set, claims, (name) =>
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
    caller: Caller,
  ): Promise<TokenSet | undefined> {
    if (!/\berror="?invalid_token\b/.test(refusal['www-authenticate'] ?? '')) return undefined;
    try {
      const others = await this.tokens.replacementFor(route, caller, refused);
      return others && Boolean(others.dpopKey) === Boolean(refused.dpopKey) ? others : undefined;
    } catch (error) {
      this.#logger.debug({ msg: 'no other token for a second try', err: error });
      return undefined;
    }
  }
}

/**
 * The error for a client whose session has no tokens for the upstream. `invalid_token` sends the
 * client to another sign-in, which only helps if the account is one at the provider of the route.
 */
function clientWithoutTokens({ account }: Caller): BffError {
  if (account) {
    const cause = new Error('the access token of the session is no longer valid');
    return new BffError('invalid_token', { cause });
  }
  const cause = new Error('the session of the client has no account at the provider of the route');
  return new BffError('token_refused', { cause });
}

/** The reader of step-up challenges for the token that the upstream gets. */
function stepUpReaderFor(
  { stepUp }: ProxyRoute,
  { account, bearer }: Caller,
): StepUpReader | undefined {
  if (bearer) return stepUp?.bearer;
  return account && stepUp?.[isConnection(account) ? 'connected' : 'signedIn'];
}
