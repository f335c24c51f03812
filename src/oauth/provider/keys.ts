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
import { withDeadline } from '../../http/deadline.ts';
import { toBffError } from '../errors.ts';

/**
 * The maximum age of cached keys, in milliseconds. It limits how long a withdrawn key is accepted.
 */
const keysLifetime = 5 * 60 * 1000;

/** How long cached keys stay in use during an outage, in milliseconds. */
const longestOutage = 24 * 60 * 60 * 1000;

/** How long to wait for new keys while cached keys exist, in milliseconds. */
const renewalTimeout = 1000;

/** The backoff after a failed request, in milliseconds. */
const failureBackoff = 1000;

/** Where a token came from: the provider's token endpoint, or any client of a public endpoint. */
export type KeySource = 'provider' | 'client';

/**
 * The minimum time between requests for unknown key ids, in milliseconds. Each source has its own
 * limit, so that a flood of invented key ids from clients cannot hide a key rotation.
 */
const betweenUnknownKeys: Readonly<Record<KeySource, number>> = {
  provider: 10 * 1000,
  client: 60 * 1000,
};

/** Called once per outage, when keys cannot be fetched and cached ones stay in use. */
export type KeysListener = (error: BffError) => void;

interface CachedKeys {
  readonly set: JSONWebKeySet;
  readonly keyFor: ReturnType<typeof createLocalJWKSet>;
  readonly fetchedAt: number;
}

/**
 * The published keys of a provider (RFC 7517 §5), for all its signatures. Concurrent calls share
 * one request. During an outage cached keys stay in use for a day, so that sign-ins keep working.
 */
export class ProviderKeys {
  readonly url: string;
  #cached?: CachedKeys;
  #fetching?: Promise<CachedKeys> | undefined;
  #failure?: { readonly error: BffError; readonly at: number } | undefined;
  readonly #lookedForUnknownAt = { provider: -Infinity, client: -Infinity };

  constructor(
    jwksUri: string,
    private readonly send: CustomFetch,
    /** The timeout of one request, in milliseconds. */
    private readonly timeout: number,
    private readonly clock: () => number,
    private readonly listener: KeysListener,
  ) {
    this.url = new URL(jwksUri).href;
  }

  /** A fetch for `openid-client` that serves the key set's URL from this cache. */
  readonly fetch: CustomFetch = async (url, init) => {
    if (url !== this.url) return this.send(url, init);
    return Response.json((await this.#renewed()).set);
  };

  /**
   * The key for a signature's header, for `jose`. A key id that is not known may be new (OIDC Core
   * §10.1.1), so the keys are fetched again, at a limited rate. Throws `provider_unavailable`
   * without any keys, `JWKSNoMatchingKey` or `JWKSMultipleMatchingKeys`.
   */
  async keyFor(
    header: JWSHeaderParameters,
    token: FlattenedJWSInput,
    source: KeySource,
  ): Promise<CryptoKey> {
    const cached = await this.#current();
    try {
      return await cached.keyFor(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const newer = await this.#fetchForUnknownKey(source);
      return (newer ?? cached).keyFor(header, token);
    }
  }

  /** Fetches new keys, or returns the cached ones if it is too early. Joins a running request. */
  async #fetchForUnknownKey(source: KeySource): Promise<CachedKeys | undefined> {
    const sinceLast = this.clock() - this.#lookedForUnknownAt[source];
    if (!this.#fetching && sinceLast < betweenUnknownKeys[source]) return this.#cached;
    this.#lookedForUnknownAt[source] = this.clock();
    return this.#fetchOnce();
  }

  async #current(): Promise<CachedKeys> {
    if (this.#cached && this.#ageOf(this.#cached) < keysLifetime) return this.#cached;
    if (this.#failure && this.clock() - this.#failure.at < failureBackoff) {
      if (this.#mayServe(this.#cached)) return this.#cached;
      throw this.#failure.error;
    }
    // These keys are new, so tokens from clients must not trigger another request soon. The
    // provider's own tokens may: it can rotate its keys right after this response.
    this.#lookedForUnknownAt.client = this.clock();
    return this.#renewed();
  }

  /** Fetches new keys. Falls back to the cached ones if that fails or takes too long. */
  async #renewed(): Promise<CachedKeys> {
    const fetched = this.#fetchOnce();
    const cached = this.#cached;
    if (!this.#mayServe(cached)) return fetched;
    const newest = fetched.catch(() => cached);
    return withDeadline(newest, renewalTimeout, () => cached);
  }

  #fetchOnce(): Promise<CachedKeys> {
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  async #fetch(): Promise<CachedKeys> {
    try {
      const set = await this.#download();
      const keyFor = createLocalJWKSet(set);
      this.#cached = { set, keyFor, fetchedAt: this.clock() };
      this.#failure = undefined;
      return this.#cached;
    } catch (thrown) {
      const error = toBffError(thrown);
      if (this.#cached && !this.#failure) this.listener(error);
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
    if (response.status !== 200)
      throw new Error(`GET ${this.url} responded with ${response.status}`);
    // `createLocalJWKSet` validates this.
    return (await response.json()) as JSONWebKeySet;
  }

  #mayServe(keys: CachedKeys | undefined): keys is CachedKeys {
    return keys !== undefined && this.#ageOf(keys) < longestOutage;
  }

  #ageOf({ fetchedAt }: CachedKeys): number {
    return this.clock() - fetchedAt;
  }
}

/**
 * Returns the keys at the `jwks_uri` of an issuer's metadata: the `known` ones while the URL stays
 * the same, so that cached keys are kept. `undefined` if there is no URL or it lacks the TLS that
 * the issuer has.
 */
export function keysAt(
  jwksUri: string | undefined,
  issuer: string,
  known: ProviderKeys | undefined,
  create: (url: string) => ProviderKeys,
): ProviderKeys | undefined {
  if (!jwksUri || (issuer.startsWith('https:') && !jwksUri.startsWith('https:'))) return undefined;
  const url = new URL(jwksUri).href;
  return known?.url === url ? known : create(url);
}
