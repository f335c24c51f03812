import {
  allowInsecureRequests,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  type CustomFetch,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  None,
  type ServerMetadata,
} from 'openid-client';
import type { ProviderOptions } from '../config/options.ts';
import { BffError } from '../errors.ts';
import { toBffError } from './failure.ts';
import { createProviderFetch } from './provider-fetch.ts';

/** Metadata is asked for again after this time; a failing renewal keeps what is known. */
const metadataLifetime = 60 * 60 * 1000;

/** A provider that did not answer is left alone for this long, so that an outage is not made worse by us. */
const pauseAfterFailure = 1000;

/**
 * One configured authorization server. It is discovered when it is first needed, not at start, so that the BFF starts
 * while a provider is down; what was discovered serves on while a later discovery fails.
 */
export class Provider {
  readonly #fetch: CustomFetch;
  #known?: { readonly configuration: Configuration; readonly discoveredAt: number };
  #discovering?: Promise<Configuration> | undefined;
  #failure?: { readonly error: BffError; readonly at: number } | undefined;

  constructor(
    readonly options: ProviderOptions,
    private readonly clock: () => number = Date.now,
  ) {
    this.#fetch = createProviderFetch(options);
  }

  get id(): string {
    return this.options.id;
  }

  /** What openid-client needs to talk to this provider. Throws `provider_unavailable`, or `login_failed` for metadata that must not be used. */
  async configuration(): Promise<Configuration> {
    if (this.#known && this.clock() - this.#known.discoveredAt < metadataLifetime) {
      return this.#known.configuration;
    }
    if (!this.#mayAsk()) {
      if (this.#known) return this.#known.configuration;
      throw this.#failure?.error ?? new BffError('provider_unavailable');
    }
    this.#discovering ??= this.#discover().finally(() => (this.#discovering = undefined));
    return this.#known?.configuration ?? this.#discovering;
  }

  /** Asks for metadata and keys again when they are next needed, however young they are. What is known serves until then. */
  renew(): void {
    if (this.#known) this.#known = { ...this.#known, discoveredAt: -Infinity };
  }

  #mayAsk(): boolean {
    return !this.#failure || this.clock() - this.#failure.at >= pauseAfterFailure;
  }

  async #discover(): Promise<Configuration> {
    try {
      const configuration = await discoverConfiguration(this.options, this.#fetch);
      this.#known = { configuration, discoveredAt: this.clock() };
      this.#failure = undefined;
      return configuration;
    } catch (error) {
      this.#failure = { error: toBffError(error), at: this.clock() };
      if (this.#known) return this.#known.configuration;
      throw this.#failure.error;
    }
  }
}

async function discoverConfiguration(
  options: ProviderOptions,
  fetch: CustomFetch,
): Promise<Configuration> {
  const isLoopback = options.issuer.startsWith('http:');
  const discovered = await discovery(
    new URL(options.issuer),
    options.clientId,
    undefined,
    clientAuthentication(options),
    {
      [customFetch]: fetch,
      timeout: options.timeout / 1000,
      execute: isLoopback ? [allowInsecureRequests] : [],
    },
  );
  const configuration = new Configuration(
    acceptedMetadata(discovered.serverMetadata(), options),
    options.clientId,
    undefined,
    clientAuthentication(options),
  );
  configuration[customFetch] = fetch;
  configuration.timeout = options.timeout / 1000;
  // The library would take TLS for a signature in the code flow (OIDC Core §3.1.3.7 item 6); we always verify it.
  enableNonRepudiationChecks(configuration);
  if (isLoopback) allowInsecureRequests(configuration);
  return configuration;
}

function acceptedMetadata(metadata: ServerMetadata, options: ProviderOptions): ServerMetadata {
  // "The issuer value returned MUST be identical" (OIDC Discovery §4.3); the library compares normalised URLs, and not always.
  if (metadata.issuer !== options.issuer) {
    throw new Error(
      `configured issuer ${options.issuer}, but metadata of ${metadata.issuer}; write it exactly as the provider does`,
    );
  }
  return {
    ...metadata,
    ...browserEndpoints(metadata, options),
    ...endpointOverrides(options),
    id_token_signing_alg_values_supported: acceptedAlgorithms(metadata, options),
  };
}

/** Metadata that lists `none` or a symmetric algorithm must not widen what we accept (RFC 8725 §3.1). */
function acceptedAlgorithms(metadata: ServerMetadata, options: ProviderOptions): string[] {
  const advertised = metadata.id_token_signing_alg_values_supported;
  const accepted = options.idTokenAlgorithms.filter((alg) => advertised?.includes(alg) ?? true);
  if (accepted.length === 0) {
    throw new Error(
      `idTokenAlgorithms allows ${options.idTokenAlgorithms.join(', ')}, but the provider signs with ${advertised?.join(', ')}`,
    );
  }
  return accepted;
}

function endpointOverrides(options: ProviderOptions): Partial<ServerMetadata> {
  const overrides = {
    authorization_endpoint: options.authorizationEndpoint,
    token_endpoint: options.tokenEndpoint,
    userinfo_endpoint: options.userinfoEndpoint,
    jwks_uri: options.jwksUri,
    end_session_endpoint: options.endSessionEndpoint,
    revocation_endpoint: options.revocationEndpoint,
  };
  return Object.fromEntries(Object.entries(overrides).filter(([, value]) => value));
}

/** A server that names its internal address in metadata would send browsers where they cannot go. */
function browserEndpoints(
  metadata: ServerMetadata,
  { issuer, internalUrl }: ProviderOptions,
): Partial<ServerMetadata> {
  if (!internalUrl) return {};
  const internal = new URL(internalUrl).origin;
  const names = ['authorization_endpoint', 'end_session_endpoint'] as const;
  return Object.fromEntries(
    names.flatMap((name) => {
      const endpoint = metadata[name];
      if (!endpoint || new URL(endpoint).origin !== internal) return [];
      return [[name, new URL(issuer).origin + endpoint.slice(internal.length)]];
    }),
  );
}

function clientAuthentication(options: ProviderOptions): ClientAuth {
  switch (options.clientAuth) {
    case 'client_secret_basic':
      return ClientSecretBasic(options.clientSecret);
    case 'client_secret_post':
      return ClientSecretPost(options.clientSecret);
    case 'none':
      return None();
    default:
      throw new Error(`clientAuth ${options.clientAuth} is not part of this release`);
  }
}
