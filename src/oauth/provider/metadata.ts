import {
  allowInsecureRequests,
  type ClientAuth,
  type ClientMetadata,
  Configuration,
  type CustomFetch,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  type ServerMetadata,
} from 'openid-client';
import type { ProviderOptions } from '../../config/options.ts';
import { presetOf } from '../../config/presets/presets.ts';
import { refuseShortfalls } from './fapi2.ts';

/**
 * Discovers the metadata of a provider (OIDC Discovery §4) for `openid-client`, and removes what is
 * not safe to accept. For a provider without OpenID Connect the metadata come from the options.
 * Throws the library's errors, or an error that describes the problem.
 */
export async function discoverConfiguration(
  options: ProviderOptions,
  fetch: CustomFetch,
  clientAuth: ClientAuth,
): Promise<Configuration> {
  if (options.type === 'oauth2') {
    const metadata = { issuer: options.issuer, ...endpointOverrides(options) };
    return configurationOf(metadata, options, fetch, clientAuth);
  }
  const discovered = await discovery(
    new URL(options.issuer),
    options.clientId,
    undefined,
    clientAuth,
    {
      [customFetch]: fetch,
      timeout: options.timeout / 1000,
      execute: isUnencrypted(options) ? [allowInsecureRequests] : [],
    },
  );
  const metadata = acceptedMetadata(discovered.serverMetadata(), options);
  return configurationOf(metadata, options, fetch, clientAuth);
}

function configurationOf(
  metadata: ServerMetadata,
  options: ProviderOptions,
  fetch: CustomFetch,
  clientAuth: ClientAuth,
): Configuration {
  const configuration = new Configuration(
    metadata,
    options.clientId,
    clientMetadata(options),
    clientAuth,
  );
  configuration[customFetch] = fetch;
  configuration.timeout = options.timeout / 1000;
  if (isUnencrypted(options)) allowInsecureRequests(configuration);
  return configuration;
}

/**
 * Returns a configuration for responses that may be signed, such as UserInfo. With it,
 * openid-client verifies them with the algorithms of ID tokens and freshly fetched keys (OIDC Core
 * §5.3.2).
 */
export function verifyingConfiguration(configuration: Configuration): Configuration {
  const metadata: ServerMetadata = configuration.serverMetadata();
  const algorithms = metadata.id_token_signing_alg_values_supported;
  const strict = new Configuration(
    { ...metadata, ...(algorithms && { userinfo_signing_alg_values_supported: algorithms }) },
    configuration.clientMetadata().client_id,
    // Selects the mutual TLS endpoints if there is a client certificate.
    configuration.clientMetadata(),
  );
  const { timeout, [customFetch]: fetch } = configuration;
  Object.assign(strict, { timeout, ...(fetch && { [customFetch]: fetch }) });
  enableNonRepudiationChecks(strict);
  if (metadata.issuer.startsWith('http:')) allowInsecureRequests(strict);
  return strict;
}

/** Whether HTTP without TLS is allowed. The configuration allows it on a loopback host only. */
function isUnencrypted({
  type,
  issuer,
  tokenEndpoint,
  userinfoEndpoint,
}: ProviderOptions): boolean {
  const addresses = type === 'oauth2' ? [tokenEndpoint, userinfoEndpoint] : [issuer];
  return addresses.some((address) => address?.startsWith('http:'));
}

function acceptedMetadata(metadata: ServerMetadata, options: ProviderOptions): ServerMetadata {
  // "The issuer value returned MUST be identical" (OIDC Discovery §4.3). The library compares
  // normalized URLs, and not in every case.
  if (metadata.issuer !== options.issuer) {
    throw new Error(
      `configured issuer ${options.issuer}, but metadata of ${metadata.issuer}; ` +
        'write it exactly as the provider does',
    );
  }
  refuseShortfalls(metadata, options);
  return {
    ...metadata,
    ...browserEndpoints(metadata, options),
    ...(presetOf(options)?.withoutUserInfo && { userinfo_endpoint: undefined }),
    ...endpointOverrides(options),
    ...mtlsAliases(metadata, options),
    id_token_signing_alg_values_supported: acceptedAlgorithms(metadata, options),
  };
}

/**
 * Metadata that lists `none` or a symmetric algorithm must not widen what we accept (RFC 8725
 * §3.1).
 */
function acceptedAlgorithms(metadata: ServerMetadata, options: ProviderOptions): string[] {
  const advertised: unknown = metadata.id_token_signing_alg_values_supported;
  if (advertised !== undefined && !Array.isArray(advertised)) {
    throw new Error('id_token_signing_alg_values_supported in the metadata is not a list');
  }
  const accepted = options.idTokenAlgorithms.filter((alg) => advertised?.includes(alg) ?? true);
  if (accepted.length === 0) {
    throw new Error(
      `idTokenAlgorithms allows ${options.idTokenAlgorithms.join(', ')}, ` +
        `but the provider signs with ${advertised?.join(', ')}`,
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

/**
 * The client metadata for the library. With a client certificate it uses the mutual TLS endpoints
 * (RFC 8705 §5).
 */
function clientMetadata({ clientCert }: ProviderOptions): Partial<ClientMetadata> {
  return clientCert ? { use_mtls_endpoint_aliases: true } : {};
}

/** An endpoint from the configuration takes precedence over the provider's mutual TLS alias. */
function mtlsAliases(metadata: ServerMetadata, options: ProviderOptions): Partial<ServerMetadata> {
  const { mtls_endpoint_aliases: aliases } = metadata;
  if (!aliases) return {};
  const overridden = Object.keys(endpointOverrides(options));
  const kept = Object.entries(aliases).filter(([name]) => !overridden.includes(name));
  return { mtls_endpoint_aliases: Object.fromEntries(kept) };
}

/** Replaces internal addresses in the metadata, which browsers cannot reach. */
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
