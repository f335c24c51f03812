import { setTimeout } from 'node:timers/promises';
import { BffError } from '../../errors.ts';
import { type RefreshOutcome, retryAfterOf } from '../../oauth/tokens/refresh.ts';
import { fetchClientToken } from '../../oauth/tokens/route-token.ts';
import type { ProviderRegistry } from '../../oauth/provider-registry.ts';
import type { TokenPolicy } from '../../oauth/tokens/token-policy.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';
import type { Clock } from '../../clock.ts';
import type { KeyValueStore } from '../store/key-value-store.ts';
import { Backoff } from './backoff.ts';
import { pollInterval, RefreshLock } from './refresh-lock.ts';
import {
  minReplacementInterval,
  isJustReplaced,
  isSameToken,
  refusedAtOf,
  refusedAgain,
} from './refused-tokens.ts';
import { recordNameOf, type SealedRecords } from '../store/sealed-records.ts';

/** The lifetime of a token whose provider states no expiry, in milliseconds. */
const defaultLifetime = 60 * 60 * 1000;

/** Listeners for logs and metrics. */
export interface ClientTokenListeners {
  /** Called with the outcome of each token request. */
  readonly onOutcome: (outcome: RefreshOutcome, provider: string) => void;
  /** Called with the error if a token could not be shared with other replicas. */
  readonly onUnshared: (cause: unknown) => void;
}

/** A token to request, and the one it replaces. */
interface ClientTokenRequest {
  readonly policy: TokenPolicy;
  readonly stale: TokenSet | undefined;
  /** Whether an upstream refused the stale token before it expired. */
  readonly isRefused: boolean;
}

/**
 * Keeps one client access token (RFC 6749 §4.4) per policy, shared by all sessions and replicas.
 * Each process caches the tokens. A sealed record shares them, and a lock ensures that one replica
 * requests the next.
 */
export class ClientTokens {
  readonly #cached = new Map<string, TokenSet>();
  readonly #running = new Map<string, Promise<TokenSet>>();
  readonly #backoff: Backoff;

  constructor(
    private readonly records: SealedRecords,
    private readonly locks: KeyValueStore,
    private readonly providers: ProviderRegistry,
    private readonly clock: Clock,
    private readonly listeners: ClientTokenListeners,
  ) {
    this.#backoff = new Backoff(clock);
  }

  /**
   * Returns the cached token, even if it expires soon. Returns `undefined` if there is none or it
   * has expired.
   */
  cached(policy: TokenPolicy): TokenSet | undefined {
    const token = this.#cached.get(policy.name);
    return token && this.#isValid(token) ? token : undefined;
  }

  /**
   * Fetches a token. `stale` is the token to replace, if any; `isRefused` tells that an upstream
   * refused it before it expired. Throws `token_refused`, `provider_unavailable` or
   * `session_store_unavailable`.
   */
  async fetch(
    policy: TokenPolicy,
    stale: TokenSet | undefined,
    isRefused = false,
  ): Promise<TokenSet> {
    const running = this.#running.get(policy.name) ?? this.#begin({ policy, stale, isRefused });
    const provider = this.providers.get(policy.provider);
    try {
      return await provider.whileAlive(running);
    } catch (error) {
      // A request that hangs starts a backoff, too. Its late response is still stored.
      if (error instanceof BffError) this.#beginBackoff(policy, error);
      throw error;
    }
  }

  /**
   * Returns another token to replace one that an upstream `refused`. Throws `token_refused` if a
   * refused token was already replaced within the last 30 seconds, and the errors of `fetch`.
   */
  async replacementFor(policy: TokenPolicy, refused: TokenSet): Promise<TokenSet> {
    const cached = this.cached(policy);
    // Another request may have replaced it already.
    if (cached && !isSameToken(cached, refused)) return cached;
    if (!cached) return this.fetch(policy, undefined);
    if (!isJustReplaced(cached, this.clock())) return this.fetch(policy, cached, true);
    const other = await this.#stored(policy, cached);
    if (!other) throw refusedAgain();
    this.#cached.set(policy.name, other);
    return other;
  }

  /** Resolves when no token request is in progress. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values());
  }

  #begin(request: ClientTokenRequest): Promise<TokenSet> {
    const { name } = request.policy;
    const begun = this.#fetch(request).finally(() => this.#running.delete(name));
    this.#running.set(name, begun);
    return begun;
  }

  async #fetch(request: ClientTokenRequest): Promise<TokenSet> {
    const { policy, stale } = request;
    for (;;) {
      const token = (await this.#stored(policy, stale)) ?? (await this.#requestUnderLock(request));
      if (token) {
        this.#cached.set(policy.name, token);
        return token;
      }
      await setTimeout(pollInterval);
    }
  }

  /** The stored token, `undefined` if there is none or it is invalid or `stale`. */
  async #stored(policy: TokenPolicy, stale: TokenSet | undefined): Promise<TokenSet | undefined> {
    return this.#usable(await this.#read(policy), stale);
  }

  /** The stored token, expired or not. */
  async #read(policy: TokenPolicy): Promise<TokenSet | undefined> {
    const record = await this.records.read(this.#recordName(policy));
    return record && (JSON.parse(record.text) as TokenSet);
  }

  #usable(token: TokenSet | undefined, stale: TokenSet | undefined): TokenSet | undefined {
    if (!token || !this.#isValid(token)) return undefined;
    return stale && isSameToken(token, stale) ? undefined : token;
  }

  /** Requests a token under the lock. Returns `undefined` if another replica holds it. */
  async #requestUnderLock(request: ClientTokenRequest): Promise<TokenSet | undefined> {
    const { policy, stale } = request;
    const failure = this.#backoff.failureOf(policy.name);
    if (failure) throw failure;
    const name = this.#recordName(policy);
    const lock = await RefreshLock.acquire(this.locks, this.records.lockKey(name));
    if (!lock) return undefined;
    try {
      const stored = await this.#read(policy);
      return this.#usable(stored, stale) ?? (await this.#request(request, stored ?? stale));
    } finally {
      await lock.release();
    }
  }

  async #request(
    { policy, isRefused }: ClientTokenRequest,
    before: TokenSet | undefined,
  ): Promise<TokenSet> {
    const provider = this.providers.get(policy.provider);
    const outcome = await fetchClientToken(provider, policy, this.clock());
    this.listeners.onOutcome(outcome, provider.id);
    switch (outcome.kind) {
      case 'refreshed': {
        this.#backoff.end(policy.name);
        const { tokens } = outcome;
        const token = { ...tokens, ...refusedAtOf(tokens, before, isRefused) };
        await this.#share(policy, token);
        return token;
      }
      case 'ended':
        throw new BffError('token_refused', { cause: new Error(outcome.reason) });
      case 'refused':
      case 'failed':
        throw outcome.error;
    }
  }

  /**
   * Shares the token. A failure is only reported: this process can use the token, and other
   * replicas request their own.
   */
  async #share(policy: TokenPolicy, token: TokenSet): Promise<void> {
    const name = this.#recordName(policy);
    const lifetime = Math.min((token.expiresAt ?? Infinity) - this.clock(), defaultLifetime);
    // `refusedAt` also limits the replacement of the next token, so the record outlives this token
    // if it expires earlier.
    const shortest = token.refusedAt === undefined ? 0 : minReplacementInterval;
    try {
      await this.records.remove(name);
      await this.records.create(name, JSON.stringify(token), Math.max(lifetime, shortest));
    } catch (error) {
      this.listeners.onUnshared(error);
    }
  }

  #beginBackoff({ name }: TokenPolicy, error: BffError): void {
    const isFromProvider = error.code === 'provider_unavailable' || error.code === 'token_refused';
    if (isFromProvider) this.#backoff.begin(name, error, retryAfterOf(error));
  }

  /**
   * The name contains everything that a token depends on: issuer, client, policy, and whether
   * tokens are bound to keys.
   */
  #recordName({ name, provider }: TokenPolicy): string {
    const { issuer, clientId, dpop } = this.providers.get(provider).options;
    const parts = [issuer, clientId, name];
    return recordNameOf(JSON.stringify(dpop ? [...parts, 'dpop'] : parts));
  }

  #isValid({ expiresAt = Infinity }: TokenSet): boolean {
    return expiresAt > this.clock();
  }
}
