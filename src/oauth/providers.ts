import { BffError } from '../errors.ts';
import { refuseBadFiles } from './provider/files.ts';
import type { Provider } from './provider/provider.ts';

/**
 * The issuer and client of an account, and the provider `id` that was configured for them when the
 * account was signed in or connected.
 */
export interface AccountProvider {
  readonly provider: string;
  readonly issuer: string;
  readonly clientId: string;
}

/** The configured providers, in the order of the configuration; the first is the default one. */
export class Providers {
  readonly #byId: ReadonlyMap<string, Provider>;

  /** Throws `ConfigurationError` for keys and certificates that cannot be used. */
  constructor(
    readonly all: readonly Provider[],
    /**
     * `{publicUrl}{basePath}`: our own endpoints are announced below it, never below what a request
     * claims.
     */
    private readonly baseUrl: string,
  ) {
    refuseBadFiles(all.map(({ options }) => options));
    this.#byId = new Map(all.map((provider) => [provider.id, provider]));
  }

  /** The provider of that name, or `undefined` if the configuration has none (any more). */
  find(id: string): Provider | undefined {
    return this.#byId.get(id);
  }

  /**
   * The provider of an account, or `undefined` if its `id` is no longer configured or now means
   * another issuer or client. Send tokens to this provider only: an `id` can be given to another
   * provider while sessions exist.
   */
  ofAccount({ provider: id, issuer, clientId }: AccountProvider): Provider | undefined {
    const provider = this.find(id);
    const isSame = provider?.options.issuer === issuer && provider.options.clientId === clientId;
    return isSame ? provider : undefined;
  }

  /**
   * Whether the provider `id` of an account now means another issuer or client, which ends the
   * session. An `id` that is not configured does not: another replica may still have it.
   */
  isReplaced(account: AccountProvider): boolean {
    return this.find(account.provider) !== undefined && this.ofAccount(account) === undefined;
  }

  /** The named provider. Absent name: the default one. Throws `unknown_provider`. */
  get(id: string | undefined): Provider {
    const provider = id === undefined ? this.all[0] : this.find(id);
    if (!provider) throw new BffError('unknown_provider');
    return provider;
  }

  /** The client ids of all providers with this issuer. */
  clientIdsOf(issuer: string): string[] {
    const providers = this.all.filter(({ options }) => options.issuer === issuer);
    return providers.map(({ options }) => options.clientId);
  }

  /**
   * The first provider whose issuer identifier equals `issuer` exactly. Throws `unknown_provider`.
   */
  ofIssuer(issuer: string): Provider {
    const provider = this.all.find(({ options }) => options.issuer === issuer);
    if (!provider) throw new BffError('unknown_provider');
    return provider;
  }

  /**
   * The provider of a callback address: the default one has none of its own in it. Throws
   * `unknown_provider`.
   */
  atCallback(id: string | undefined): Provider {
    const provider = this.get(id);
    const isOtherAddress = id !== undefined && provider === this.all[0];
    if (isOtherAddress) throw new BffError('unknown_provider');
    return provider;
  }

  /**
   * Each provider has a redirect URI of its own, so that a response cannot be taken for another's
   * (RFC 9700 §4.4.2).
   */
  redirectUri(provider: Provider): string {
    const callback = `${this.baseUrl}/callback`;
    return provider === this.all[0] ? callback : `${callback}/${provider.id}`;
  }
}
