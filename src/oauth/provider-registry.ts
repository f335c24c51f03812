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

/** The configured providers, in the order of the configuration. The first one is the default. */
export class ProviderRegistry {
  readonly #byId: ReadonlyMap<string, Provider>;

  /** Throws `ConfigurationError` if keys or certificates are not usable. */
  constructor(
    readonly all: readonly Provider[],
    /** `{publicUrl}{basePath}`, the base of our own URLs. It never comes from a request. */
    private readonly baseUrl: string,
  ) {
    refuseBadFiles(all.map(({ options }) => options));
    this.#byId = new Map(all.map((provider) => [provider.id, provider]));
  }

  /** The provider with this `id`, or `undefined` if it is not, or no longer, configured. */
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

  /** The provider with this `id`, by default the first one. Throws `unknown_provider`. */
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
   * The provider of a callback URL. The URL of the default provider contains no `id`. Throws
   * `unknown_provider`.
   */
  atCallback(id: string | undefined): Provider {
    const provider = this.get(id);
    const isOtherAddress = id !== undefined && provider === this.all[0];
    if (isOtherAddress) throw new BffError('unknown_provider');
    return provider;
  }

  /**
   * The redirect URI of a provider. Each provider has its own, so that a response cannot be taken
   * for another provider's (RFC 9700 §4.4.2).
   */
  redirectUri(provider: Provider): string {
    const callback = `${this.baseUrl}/callback`;
    return provider === this.all[0] ? callback : `${callback}/${provider.id}`;
  }
}
