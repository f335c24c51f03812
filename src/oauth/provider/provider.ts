import { type Configuration, type CustomFetch, customFetch, type DPoPOptions } from 'openid-client';
import type { ProviderOptions } from '../../config/options.ts';
import { BffError } from '../../errors.ts';
import { clientAuthentication, type SigningKey, signingKey } from '../client/authentication.ts';
import { type BadFileListener, ClientKeyFile } from '../client/key.ts';
import { type DpopKey, DpopNonces, dpopOptions } from '../client/dpop.ts';
import { Discovered } from './discovered.ts';
import { Liveness, withDiscoveryTimeout } from './liveness.ts';
import { idTokenDecrypter } from '../login/encrypted-id-token.ts';
import { emailResponses } from '../non-oidc/user.ts';
import { type ResponseReader, createProviderFetch } from './fetch.ts';
import { keysAt, type KeysListener, ProviderKeys } from './keys.ts';
import { discoverConfiguration } from './metadata.ts';
import { probeProvider } from './probe.ts';
import { tokenResponses } from '../non-oidc/token-response.ts';
import type { RouteNeeds } from '../tokens/token-policy.ts';

/**
 * One configured authorization server. It is discovered on first use, so that the BFF can start
 * while a provider is down. Cached metadata stay in use if a later discovery fails.
 */
export class Provider {
  /** Makes all requests to this provider. */
  readonly fetch: CustomFetch;
  readonly #nonces = new DpopNonces();
  readonly #keyFile: ClientKeyFile | undefined;
  readonly #liveness = new Liveness((signal) => probeProvider(this, signal));
  readonly #metadata: Discovered<Configuration>;
  #keys?: ProviderKeys | undefined;

  constructor(
    readonly options: ProviderOptions,
    private readonly clock: () => number = Date.now,
    private readonly keysListener: KeysListener = () => undefined,
    badFileListener: BadFileListener = () => undefined,
    /** The resources and scopes that routes need in addition to `scopes`. */
    readonly routeNeeds: RouteNeeds = { resources: [], scopes: [] },
    /** The claims that rules use. They are requested from UserInfo if the ID token lacks them. */
    readonly ruleClaims: readonly string[] = [],
  ) {
    const nonces = this.#nonces;
    const { clientKey, profile } = options;
    const rsa = profile ? 'PS256' : 'RS256';
    const keyFile = clientKey ? new ClientKeyFile(clientKey, rsa, badFileListener) : undefined;
    this.#keyFile = keyFile;
    this.#metadata = new Discovered(() => this.#discover(), clock);
    const read = responseReader(options, keyFile);
    this.fetch = createProviderFetch(options, read ? { nonces, read } : { nonces });
  }

  get id(): string {
    return this.options.id;
  }

  /**
   * The configuration for openid-client. Throws `provider_unavailable` if the provider is down or
   * discovery exceeds its timeout (it continues in the background). Throws `login_failed` for
   * metadata that must not be used.
   */
  async configuration(): Promise<Configuration> {
    return withDiscoveryTimeout(this.discovered());
  }

  /** Like {@link configuration}, but without a timeout. Use it inside {@link whileAlive}. */
  async discovered(): Promise<Configuration> {
    return this.#metadata.current();
  }

  /**
   * The provider's signing keys. Throws if discovery fails, and `provider_unavailable` if its
   * metadata have no usable `jwks_uri`.
   */
  async keys(): Promise<ProviderKeys> {
    await this.discovered();
    if (this.#keys) return this.#keys;
    const cause = new Error('the metadata have no jwks_uri that could be used');
    throw new BffError('provider_unavailable', { cause });
  }

  /** The openid-client options for calls with tokens bound to this key. Empty without a key. */
  dpopOptions(configuration: Configuration, key: DpopKey | undefined): DPoPOptions {
    return dpopOptions(configuration, key, this.#nonces);
  }

  /** The client's own signing key. Throws if none is configured. */
  async signingKey(): Promise<SigningKey> {
    if (!this.#keyFile) throw new Error('there is no clientKey to sign with');
    return signingKey(await this.#keyFile.current());
  }

  /**
   * Waits for `work` as long as the provider responds to probes, even if it is slow. Throws
   * `provider_unavailable` within two seconds if it does not respond. The work then continues in
   * the background.
   */
  async whileAlive<T>(work: Promise<T>): Promise<T> {
    return this.#liveness.whileAlive(work);
  }

  /**
   * Marks the metadata as outdated, at most once a minute. They are discovered again on next use
   * and stay in use until then.
   */
  renew(): void {
    this.#metadata.renew();
  }

  async #discover(): Promise<Configuration> {
    const configuration = await discoverConfiguration(
      this.options,
      this.fetch,
      clientAuthentication(this.options, () => this.signingKey()),
    );
    const { issuer, timeout } = this.options;
    const { jwks_uri: jwksUri } = configuration.serverMetadata();
    this.#keys = keysAt(
      jwksUri,
      issuer,
      this.#keys,
      (url) => new ProviderKeys(url, this.fetch, timeout, this.clock, this.keysListener),
    );
    if (this.#keys) configuration[customFetch] = this.#keys.fetch;
    return configuration;
  }
}

/** Rewrites responses of this provider. `undefined` if they need no change. */
function responseReader(
  options: ProviderOptions,
  keyFile: ClientKeyFile | undefined,
): ResponseReader | undefined {
  if (options.type === 'oauth2') return emailResponses(options, tokenResponses(options));
  return keyFile && idTokenDecrypter(async () => (await keyFile.current()).decryptionKeys);
}
