import { Inject, Injectable } from '@nestjs/common';
import { BffError } from '../../errors.ts';
import { CLOCK, type Clock } from '../../clock.ts';
import { nameOfToken, Remembered } from '../../oauth/bearer/remembered.ts';
import { newDpopKey } from '../../oauth/client/dpop.ts';
import { ProviderRegistry } from '../../oauth/provider-registry.ts';
import { exchangeToken } from '../../oauth/tokens/route-token.ts';
import { ownTokenPolicy, type TokenPolicy } from '../../oauth/tokens/token-policy.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import { type BackoffNames, type Failure, RefreshBackoff } from './refresh-backoff.ts';
import { isJustReplaced, isSameToken, refusedAgain, refusedAtOf } from './refused-tokens.ts';
import { RouteTokenService } from './route-token.service.ts';
import { REFRESH_LISTENER, type RefreshListener } from './token-refresher.ts';

/** The limits of the memory: 10,000 tokens, and about 16 MB of them. */
const memoryLimits = { mostValues: 10_000, largestSum: 16 * 1024 * 1024 };

/** A client that called with an access token of its own. */
export interface Caller {
  readonly accessToken: string;
  /** The end of the access token, in epoch milliseconds. */
  readonly expiresAt: number;
}

/** A token to request for a caller. */
interface CallerRequest {
  readonly policy: TokenPolicy;
  readonly caller: Caller;
  /** A name that is unique for each policy and access token. */
  readonly name: string;
  /** The token to replace, if there is one. */
  readonly stale?: TokenSet;
  /** Whether an upstream refused the stale token before it expired. */
  readonly isRefused?: boolean;
}

/** The outcome of a request for a caller. */
type Exchanged = { readonly kind: 'refreshed'; readonly tokens: TokenSet } | Failure;

/**
 * Exchanges the access tokens of clients for those of a route (RFC 8693). There is one request at a
 * time per token. The result is kept in the memory of this process until it or the caller's token
 * expires. After failures, requests are delayed (see `RefreshBackoff`).
 */
@Injectable()
export class CallerTokensService {
  readonly #remembered: Remembered<TokenSet>;
  readonly #running = new Map<string, Promise<Exchanged>>();
  readonly #backoff: RefreshBackoff<CallerRequest>;

  constructor(
    private readonly providers: ProviderRegistry,
    private readonly routeTokens: RouteTokenService,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(REFRESH_LISTENER) private readonly listener: RefreshListener,
  ) {
    this.#remembered = new Remembered(memoryLimits, clock);
    this.#backoff = new RefreshBackoff(clock, backoffNamesOf);
  }

  /**
   * Returns the access token that an `exchange` policy gives to this caller. Returns a promise only
   * if it must be requested; it rejects with `token_refused` if the provider issues none, and with
   * `provider_unavailable`.
   */
  tokensFor(policy: TokenPolicy, caller: Caller): TokenSet | Promise<TokenSet> {
    const request = requestOf(policy, caller);
    return this.#remembered.get(request.name) ?? this.#fetch(request);
  }

  /**
   * Returns another token to replace one that the upstream `refused`. Throws `token_refused` if
   * refused tokens were already replaced within the last 30 seconds, and the errors of `tokensFor`.
   */
  async replacementFor(
    policy: TokenPolicy,
    caller: Caller,
    refused: TokenSet,
  ): Promise<TokenSet | undefined> {
    const request = requestOf(policy, caller);
    const remembered = this.#remembered.get(request.name);
    // Another request may have replaced it already.
    if (remembered && !isSameToken(remembered, refused)) return remembered;
    const { expiresAt = Infinity } = refused;
    const isRefused = expiresAt > this.clock();
    if (isRefused && isJustReplaced(refused, this.clock())) throw refusedAgain();
    return this.#fetch({ ...request, stale: refused, isRefused });
  }

  async #fetch(request: CallerRequest): Promise<TokenSet> {
    const { policy } = request;
    if (policy.kind !== 'exchange') {
      const cause = new Error(`a caller’s token cannot be used for a token by ${policy.kind}`);
      throw new BffError('token_refused', { cause });
    }
    const actorToken = policy.actor && (await this.#actorToken(policy.provider));
    const outcome = await this.#inTurn(request, actorToken).catch((thrown: unknown) => {
      if (!(thrown instanceof BffError) || thrown.code !== 'provider_unavailable') throw thrown;
      const failure: Failure = { kind: 'failed', error: thrown, concerns: 'provider' };
      return this.#backoff.noteFailure(request, failure);
    });
    if (outcome.kind === 'refreshed') return outcome.tokens;
    throw outcome.error;
  }

  /** Throws `provider_unavailable` if the provider does not respond in time. */
  async #inTurn(request: CallerRequest, actorToken: string | undefined): Promise<Exchanged> {
    const provider = this.providers.get(request.policy.provider);
    for (;;) {
      const running = this.#running.get(request.name);
      if (running) return provider.whileAlive(running);
      const paused = this.#backoff.failureFor(request);
      if (paused) return paused;
      const trial = this.#backoff.trialFor(request);
      if (!trial) return provider.whileAlive(this.#begin(request, actorToken));
      await provider.whileAlive(trial);
    }
  }

  #begin(request: CallerRequest, actorToken: string | undefined): Promise<Exchanged> {
    const { name } = request;
    const begun = this.#exchange(request, actorToken).finally(() => this.#running.delete(name));
    this.#running.set(name, begun);
    this.#backoff.noteRequest(request, begun);
    return begun;
  }

  async #exchange(request: CallerRequest, actorToken: string | undefined): Promise<Exchanged> {
    const { policy, caller } = request;
    const provider = this.providers.get(policy.provider);
    // A key of the caller's stays with the caller. The new token is bound to one of ours.
    const dpopKey = provider.options.dpop ? { dpopKey: newDpopKey() } : {};
    const subject = { accessToken: caller.accessToken, ...dpopKey };
    const outcome = await exchangeToken(provider, policy, subject, this.clock(), actorToken);
    this.listener(outcome, provider.id);
    switch (outcome.kind) {
      case 'refreshed':
        this.#backoff.noteResponse(request);
        this.#backoff.noteToken(request);
        return { kind: 'refreshed', tokens: this.#remember(request, outcome.tokens) };
      case 'ended': {
        const error = new BffError('token_refused', { cause: new Error(outcome.reason) });
        return this.#backoff.noteFailure(request, { kind: 'refused', error });
      }
      case 'refused':
      case 'failed':
        return this.#backoff.noteFailure(request, outcome);
    }
  }

  #remember({ name, caller, stale, isRefused }: CallerRequest, fetched: TokenSet): TokenSet {
    const tokens = { ...fetched, ...refusedAtOf(fetched, stale, isRefused ?? false) };
    const until = Math.min(caller.expiresAt, tokens.expiresAt ?? Infinity);
    if (until > this.clock()) this.#remembered.set(name, tokens, until, tokens.accessToken.length);
    return tokens;
  }

  /** The BFF's own token, which names it as the actor (RFC 8693 §2.1). */
  async #actorToken(provider: string): Promise<string> {
    const actor = await this.routeTokens.tokensFor(ownTokenPolicy(provider), undefined);
    if (!actor)
      throw new BffError('token_refused', { cause: new Error('there is no actor token') });
    return actor.accessToken;
  }
}

function requestOf(policy: TokenPolicy, caller: Caller): CallerRequest {
  return { policy, caller, name: nameOfToken(`${policy.name} ${caller.accessToken}`) };
}

function backoffNamesOf({ name, policy }: CallerRequest): BackoffNames {
  return { token: name, kind: policy.name, provider: policy.provider };
}
