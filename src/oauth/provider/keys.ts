import { setTimeout } from 'node:timers/promises';
import {
  createLocalJWKSet,
  errors,
  type CryptoKey,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from 'jose';
import type { CustomFetch } from 'openid-client';
import type { BffError } from '../../errors.ts';
import { toBffError } from '../errors.ts';

/**
 * Keys are asked for again after this time, so that one that was withdrawn is not believed for
 * longer, in milliseconds.
 */
const keysLifetime = 5 * 60 * 1000;

/** How long the last good keys serve on while no others can be had, in milliseconds. */
const longestOutage = 24 * 60 * 60 * 1000;

/** How long new keys are waited for while there are older ones, in milliseconds. */
const patience = 1000;

/** A provider that did not answer is left alone for this long, in milliseconds. */
const pauseAfterFailure = 1000;

/**
 * Who hands us a token: the provider at its token endpoint, or anyone who finds an endpoint of
 * ours.
 */
export type KeySource = 'provider' | 'anyone';

/**
 * Whoever sends tokens with invented key ids makes us ask once in this time, in milliseconds. Each
 * source has its own, so that no flood of strangers' tokens hides that the provider has new keys.
 */
const betweenUnknownKeys: Readonly<Record<KeySource, number>> = {
  provider: 10 * 1000,
  anyone: 60 * 1000,
};

/** Told when keys cannot be fetched and the last good ones serve on, once an outage. */
export type KeysListener = (error: BffError) => void;

interface KnownKeys {
  readonly set: JSONWebKeySet;
  readonly keyFor: ReturnType<typeof createLocalJWKSet>;
  readonly fetchedAt: number;
}

/**
 * The keys a provider publishes (RFC 7517 §5), for everything of it that is verified. Calls at the
 * same time share one request. While the provider does not answer, the last good keys serve on for
 * a day: an outage of an endpoint that hardly ever changes need not be one of signing in.
 */
export class ProviderKeys {
  readonly url: string;
  #known?: KnownKeys;
  #fetching?: Promise<KnownKeys> | undefined;
  #failure?: { readonly error: BffError; readonly at: number } | undefined;
  readonly #lookedForUnknownAt = { provider: -Infinity, anyone: -Infinity };

  constructor(
    jwksUri: string,
    private readonly send: CustomFetch,
    /** Of one request, in milliseconds. */
    private readonly timeout: number,
    private readonly clock: () => number,
    private readonly listener: KeysListener,
  ) {
    this.url = new URL(jwksUri).href;
  }

  /** A fetch for `openid-client`: what it asks of the address of the keys is answered from here. */
  readonly fetch: CustomFetch = async (url, init) => {
    if (url !== this.url) return this.send(url, init);
    return Response.json((await this.#newest()).set);
  };

  /**
   * The key that a signature's header names, for `jose`. One that is not known may have been
   * published a moment ago (OIDC Core §10.1.1), so the keys are asked for once more, but not for
   * every token. Throws `provider_unavailable` without any keys at all, `JWKSNoMatchingKey` or
   * `JWKSMultipleMatchingKeys`.
   */
  async keyFor(
    header: JWSHeaderParameters,
    token: FlattenedJWSInput,
    source: KeySource,
  ): Promise<CryptoKey> {
    const known = await this.#recent();
    try {
      return await known.keyFor(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const newer = await this.#newer(source);
      return (newer ?? known).keyFor(header, token);
    }
  }

  /**
   * New keys, or the known ones if it is too early to ask again. Whoever asks while others do gets
   * what they get.
   */
  async #newer(source: KeySource): Promise<KnownKeys | undefined> {
    const sinceLast = this.clock() - this.#lookedForUnknownAt[source];
    if (!this.#fetching && sinceLast < betweenUnknownKeys[source]) return this.#known;
    this.#lookedForUnknownAt[source] = this.clock();
    return this.#fetchOnce();
  }

  async #recent(): Promise<KnownKeys> {
    if (this.#known && this.#ageOf(this.#known) < keysLifetime) return this.#known;
    if (this.#failure && this.clock() - this.#failure.at < pauseAfterFailure) {
      if (this.#mayServe(this.#known)) return this.#known;
      throw this.#failure.error;
    }
    // What comes now is as new as can be: strangers cannot have it asked for again at once. The
    // provider may have made a key between this answer and its next token.
    this.#lookedForUnknownAt.anyone = this.clock();
    return this.#newest();
  }

  /** New keys, or the last good ones if those do not come, or not soon. */
  async #newest(): Promise<KnownKeys> {
    const fetched = this.#fetchOnce();
    const known = this.#known;
    if (!this.#mayServe(known)) return fetched;
    const timer = new AbortController();
    const late = setTimeout(patience, known, { signal: timer.signal });
    return Promise.race([fetched.catch(() => known), late]).finally(() => timer.abort());
  }

  #fetchOnce(): Promise<KnownKeys> {
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #fetch(): Promise<KnownKeys> {
    try {
      const set = await this.#download();
      const keyFor = createLocalJWKSet(set);
      this.#known = { set, keyFor, fetchedAt: this.clock() };
      this.#failure = undefined;
      return this.#known;
    } catch (thrown) {
      const error = toBffError(thrown);
      if (this.#known && !this.#failure) this.listener(error);
      this.#failure = { error, at: this.clock() };
      throw error;
    }
  }

  async #download(): Promise<JSONWebKeySet> {
    const response = await this.send(this.url, {
      method: 'GET',
      headers: { accept: 'application/json, application/jwk-set+json' },
      body: undefined,
      redirect: 'manual',
      signal: AbortSignal.timeout(this.timeout),
    });
    if (response.status !== 200) throw new Error(`GET ${this.url} answered ${response.status}`);
    // Judged by createLocalJWKSet.
    return (await response.json()) as JSONWebKeySet;
  }

  #mayServe(keys: KnownKeys | undefined): keys is KnownKeys {
    return keys !== undefined && this.#ageOf(keys) < longestOutage;
  }

  #ageOf({ fetchedAt }: KnownKeys): number {
    return this.clock() - fetchedAt;
  }
}
