import { BffError } from '../../errors.ts';
import { toBffError } from '../errors.ts';
import { withDiscoveryTimeout } from './liveness.ts';

/** The maximum age of metadata, in milliseconds. It stays in use if a renewal fails. */
const metadataLifetime = 60 * 60 * 1000;

/** The minimum time between renewals that tokens from clients trigger, in milliseconds. */
const betweenRenewals = 60 * 1000;

/** The backoff after a failed discovery, in milliseconds. It keeps an outage from getting worse. */
const failureBackoff = 1000;

/**
 * The metadata of one authorization server. They are discovered on first use, so that the BFF can
 * start while the server is down. Cached metadata stay in use if a later discovery fails.
 */
export class Discovered<Metadata> {
  #cached?: { readonly metadata: Metadata; readonly discoveredAt: number };
  #discovering?: Promise<Metadata> | undefined;
  #failure?: { readonly error: BffError; readonly at: number } | undefined;
  #renewedAt = -Infinity;

  constructor(
    private readonly discover: () => Promise<Metadata>,
    private readonly clock: () => number,
  ) {}

  /**
   * Returns the metadata. There is no timeout. Throws `provider_unavailable` if the server is down,
   * and `login_failed` for metadata that must not be used.
   */
  async current(): Promise<Metadata> {
    if (this.#cached && this.clock() - this.#cached.discoveredAt < metadataLifetime) {
      return this.#cached.metadata;
    }
    if (!this.#mayDiscover()) {
      if (this.#cached) return this.#cached.metadata;
      throw this.#failure?.error ?? new BffError('provider_unavailable');
    }
    const discovering = (this.#discovering ??= this.#shared(this.#discover()));
    return this.#cached?.metadata ?? discovering;
  }

  /**
   * Marks the metadata as outdated, at most once a minute. They are discovered again on next use
   * and stay in use until then.
   */
  renew(): void {
    if (this.clock() - this.#renewedAt < betweenRenewals) return;
    this.#renewedAt = this.clock();
    if (this.#cached) this.#cached = { ...this.#cached, discoveredAt: -Infinity };
  }

  #mayDiscover(): boolean {
    return !this.#failure || this.clock() - this.#failure.at >= failureBackoff;
  }

  /**
   * Shares one discovery among callers. After the timeout the next caller starts a new one, because
   * the request may never get a response.
   */
  #shared(discovery: Promise<Metadata>): Promise<Metadata> {
    const isOver = () => {
      if (this.#discovering === discovery) this.#discovering = undefined;
    };
    void withDiscoveryTimeout(discovery).then(isOver, isOver);
    return discovery;
  }

  async #discover(): Promise<Metadata> {
    try {
      const metadata = await this.discover();
      this.#cached = { metadata, discoveredAt: this.clock() };
      this.#failure = undefined;
      return metadata;
    } catch (error) {
      this.#failure = { error: toBffError(error), at: this.clock() };
      if (this.#cached) return this.#cached.metadata;
      throw this.#failure.error;
    }
  }
}
