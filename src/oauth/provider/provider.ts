import { type Configuration, type CustomFetch, customFetch, type DPoPOptions } from 'openid-client';
import type { ProviderOptions } from '../../config/options.ts';
import { BffError } from '../../errors.ts';
import { clientAuthentication, type SigningKey, signingKey } from '../client/authentication.ts';
import { type BadFileListener, ClientKeyFile } from '../client/key.ts';
import { type DpopKey, DpopNonces, provingKey } from '../client/dpop.ts';
import { toBffError } from '../errors.ts';
import { Liveness, withDeadline } from './liveness.ts';
import { openingIdTokens } from '../login/encrypted-id-token.ts';
import { emailAnswers } from '../non-oidc/user.ts';
import { type ResponseReader, createProviderFetch } from './fetch.ts';
import { type KeysListener, ProviderKeys } from './keys.ts';
import { discoverConfiguration } from './metadata.ts';
import { probeProvider } from './probe.ts';
import { tokenResponses } from '../non-oidc/token-response.ts';
import type { RouteNeeds } from '../tokens/token-policy.ts';

/** Metadata is asked for again after this time; a failing renewal keeps what is known. */
const metadataLifetime = 60 * 60 * 1000;

/**
 * News that somebody else's token asks for are asked for once in this time, however many such
 * tokens come.
 */
const betweenRenewals = 60 * 1000;

/**
 * A provider that did not answer is left alone for this long, so that an outage is not made worse
 * by us.
 */
const pauseAfterFailure = 1000;

/**
 * One configured authorization server. It is discovered when it is first needed, not at start, so
 * that the BFF starts while a provider is down; what was discovered serves on while a later
 * discovery fails.
 */
export class Provider {
  /** Every call to it. */
  readonly fetch: CustomFetch;
  readonly #nonces = new DpopNonces();
  readonly #keyFile: ClientKeyFile | undefined;
  readonly #liveness = new Liveness((signal) => probeProvider(this, signal));
  #known?: { readonly configuration: Configuration; readonly discoveredAt: number };
  #keys?: ProviderKeys | undefined;
  #discovering?: Promise<Configuration> | undefined;
  #failure?: { readonly error: BffError; readonly at: number } | undefined;
  #renewedAt = -Infinity;

  constructor(
    readonly options: ProviderOptions,
    private readonly clock: () => number = Date.now,
    private readonly keysListener: KeysListener = () => undefined,
    badFileListener: BadFileListener = () => undefined,
    /** What sign-ins ask for beside `scopes`. */
    readonly routeNeeds: RouteNeeds = { resources: [], scopes: [] },
  ) {
    const nonces = this.#nonces;
    const { clientKey, profile } = options;
    const rsa = profile ? 'PS256' : 'RS256';
    const keyFile = clientKey ? new ClientKeyFile(clientKey, rsa, badFileListener) : undefined;
    this.#keyFile = keyFile;
    const read = answerReader(options, keyFile);
    this.fetch = createProviderFetch(options, read ? { nonces, read } : { nonces });
  }

  get id(): string {
    return this.options.id;
  }

  /**
   * What openid-client needs to talk to this provider. Throws `provider_unavailable`, also when
   * discovery takes longer than somebody should wait (it goes on), or `login_failed` for metadata
   * that must not be used.
   */
  async configuration(): Promise<Configuration> {
    return withDeadline(this.discovered());
  }

  /** The same, however long it takes: for work that nobody waits for without {@link whileAlive}. */
  async discovered(): Promise<Configuration> {
    if (this.#known && this.clock() - this.#known.discoveredAt < metadataLifetime) {
      return this.#known.configuration;
    }
    if (!this.#mayAsk()) {
      if (this.#known) return this.#known.configuration;
      throw this.#failure?.error ?? new BffError('provider_unavailable');
    }
    const discovering = (this.#discovering ??= this.#shared(this.#discover()));
    return this.#known?.configuration ?? discovering;
  }

  /**
   * The keys it signs with. Throws what discovery throws, or `provider_unavailable` if it names no
   * place for them.
   */
  async keys(): Promise<ProviderKeys> {
    await this.discovered();
    if (this.#keys) return this.#keys;
    const cause = new Error('the metadata have no jwks_uri that could be used');
    throw new BffError('provider_unavailable', { cause });
  }

  /** For calls that are to get, or to use, tokens bound to this key. Absent key: any tokens. */
  proving(configuration: Configuration, key: DpopKey | undefined): DPoPOptions {
    return provingKey(configuration, key, this.#nonces);
  }

  /** Our own key, for what we sign ourselves. Throws if none is configured. */
  async signingKey(): Promise<SigningKey> {
    if (!this.#keyFile) throw new Error('there is no clientKey to sign with');
    return signingKey(await this.#keyFile.current());
  }

  /**
   * Waits for something the provider does, as long as it shows signs of life: a slow provider is
   * waited for, a hanging one is not. Throws `provider_unavailable` for the latter within two
   * seconds, while the work goes on unattended.
   */
  async whileAlive<T>(work: Promise<T>): Promise<T> {
    return this.#liveness.whileAlive(work);
  }

  /**
   * Asks for metadata again when they are next needed, however young they are, but not more than
   * once a minute. What is known serves until then.
   */
  renew(): void {
    if (this.clock() - this.#renewedAt < betweenRenewals) return;
    this.#renewedAt = this.clock();
    if (this.#known) this.#known = { ...this.#known, discoveredAt: -Infinity };
  }

  #mayAsk(): boolean {
    return !this.#failure || this.clock() - this.#failure.at >= pauseAfterFailure;
  }

  /**
   * One at a time; but what hangs may have been lost with the server it was sent to, so the next
   * one asks anew.
   */
  #shared(discovery: Promise<Configuration>): Promise<Configuration> {
    const isOver = () => {
      if (this.#discovering === discovery) this.#discovering = undefined;
    };
    void withDeadline(discovery).then(isOver, isOver);
    return discovery;
  }

  async #discover(): Promise<Configuration> {
    try {
      const configuration = await discoverConfiguration(
        this.options,
        this.fetch,
        clientAuthentication(this.options, () => this.signingKey()),
      );
      this.#keys = this.#keysAt(configuration.serverMetadata().jwks_uri);
      if (this.#keys) configuration[customFetch] = this.#keys.fetch;
      this.#known = { configuration, discoveredAt: this.clock() };
      this.#failure = undefined;
      return configuration;
    } catch (error) {
      this.#failure = { error: toBffError(error), at: this.clock() };
      if (this.#known) return this.#known.configuration;
      throw this.#failure.error;
    }
  }

  /**
   * Known keys stay known as long as the address stays. Absent: there is none, or nobody could
   * trust what comes from it.
   */
  #keysAt(jwksUri: string | undefined): ProviderKeys | undefined {
    const { issuer, timeout } = this.options;
    if (!jwksUri || (issuer.startsWith('https:') && !jwksUri.startsWith('https:')))
      return undefined;
    const url = new URL(jwksUri).href;
    if (this.#keys?.url === url) return this.#keys;
    return new ProviderKeys(url, this.fetch, timeout, this.clock, this.keysListener);
  }
}

/** Absent: answers are what they are. */
function answerReader(
  options: ProviderOptions,
  keyFile: ClientKeyFile | undefined,
): ResponseReader | undefined {
  if (options.type === 'oauth2') return emailAnswers(options, tokenResponses(options));
  return keyFile && openingIdTokens(async () => (await keyFile.current()).decryptionKeys);
}
