import { BffError } from '../errors.ts';
import { refuseBadFiles } from './provider-files.ts';
import type { Provider } from './provider.ts';

/**
 * Where an account is: at which client of which issuer, and under which `id` that was configured
 * when it was made.
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
    /** `{publicUrl}{basePath}`: our own endpoints are announced below it, never below what a request claims. */
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
   * The provider that an account is at, or `undefined` if its `id` now means another issuer or
   * client, or none. Tokens are sent to this provider alone, because an `id` can be given to
   * another provider while sessions live.
   */
  ofAccount({ provider: id, issuer, clientId }: AccountProvider): Provider | undefined {
    const provider = this.find(id);
    const isSame = provider?.options.issuer === issuer && provider.options.clientId === clientId;
    return isSame ? provider : undefined;
  }

  /**
   * Whether the `id` of an account's provider now means another issuer or client. The session is over then. An `id` that is not
   * configured at the moment ends nothing: another replica may still have it.
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

  /** The clients that are configured for an issuer: one for each of its providers. */
  clientIdsOf(issuer: string): string[] {
    const providers = this.all.filter(({ options }) => options.issuer === issuer);
    return providers.map(({ options }) => options.clientId);
  }

  /**
   * The provider with that issuer identifier, exactly as it is written; of several clients the
   * first. Throws `unknown_provider`.
   */
  ofIssuer(issuer: string): Provider {
    const provider = this.all.find(({ options }) => options.issuer === issuer);
    if (!provider) throw new BffError('unknown_provider');
    return provider;
  }

  /** The provider of a callback address: the default one has none of its own in it. Throws `unknown_provider`. */
  atCallback(id: string | undefined): Provider {
    const provider = this.get(id);
    const isOtherAddress = id !== undefined && provider === this.all[0];
    if (isOtherAddress) throw new BffError('unknown_provider');
    return provider;
  }

  /** Each provider has a redirect URI of its own, so that a response cannot be taken for another's (RFC 9700 §4.4.2). */
  redirectUri(provider: Provider): string {
    const callback = `${this.baseUrl}/callback`;
    return provider === this.all[0] ? callback : `${callback}/${provider.id}`;
  }
}
