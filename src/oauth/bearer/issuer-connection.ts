import {
  allowInsecureRequests,
  customFetch,
  type CustomFetch,
  discovery,
  None,
} from 'openid-client';
import { signatureAlgorithms } from '../../config/blocks/provider.ts';
import type { BearerOptions } from '../../config/options.ts';
import { BffError } from '../../errors.ts';
import { outageBehind } from '../errors.ts';
import { Discovered } from '../provider/discovered.ts';
import { createProviderFetch } from '../provider/fetch.ts';
import { keysAt, type KeysListener, ProviderKeys } from '../provider/keys.ts';
import { Liveness } from '../provider/liveness.ts';
import { probeProvider } from '../provider/probe.ts';
import type { Provider } from '../provider/provider.ts';

/** One of `bearer.issuers`. */
export type BearerIssuerOptions = BearerOptions['issuers'][number];

/** The maximum size of a response of an issuer, in bytes. */
const maxResponse = 1024 * 1024;

/** The published keys of an issuer of access tokens, and how to reach it. */
export interface IssuerConnection {
  /** The accepted signature algorithms. */
  readonly algorithms: readonly string[];
  /** Makes all requests to this issuer. */
  readonly fetch: CustomFetch;
  /** Returns the keys. Throws if discovery fails. */
  keys(): Promise<ProviderKeys>;
  /** Waits for work that needs the issuer. Throws `provider_unavailable` if it is down. */
  whileAlive<T>(work: Promise<T>): Promise<T>;
}

/**
 * Returns the connection of a provider that is configured with the same issuer identifier, so that
 * both uses share keys, limits, certificates and `internalUrl`. Its `idTokenAlgorithms` apply.
 */
export function providerConnection(provider: Provider): IssuerConnection {
  return {
    fetch: provider.fetch,
    algorithms: provider.options.idTokenAlgorithms,
    keys: () => provider.keys(),
    whileAlive: (work) => provider.whileAlive(work),
  };
}

/**
 * Creates a connection that discovers the keys of an issuer that is no provider, in its OpenID Connect metadata or in those
 * of RFC 8414. All asymmetric algorithms are accepted.
 */
export function discoveringConnection(
  options: BearerIssuerOptions,
  clock: () => number,
  listener: KeysListener,
): IssuerConnection {
  const { issuer, timeout } = options;
  const fetch = createProviderFetch({ ...options, maxResponse });
  const liveness = new Liveness((signal) =>
    probeProvider({ options: { type: 'oidc', issuer }, fetch }, signal),
  );
  let known: ProviderKeys | undefined;
  const discovered = new Discovered(async () => {
    const jwksUri = await discoverJwksUri(options, fetch);
    known = keysAt(
      jwksUri,
      issuer,
      known,
      (url) => new ProviderKeys(url, fetch, timeout, clock, listener),
    );
    if (known) return known;
    const cause = new Error(`the metadata of ${issuer} have no jwks_uri that could be used`);
    throw new BffError('provider_unavailable', { cause });
  }, clock);
  return {
    fetch,
    algorithms: signatureAlgorithms,
    keys: () => discovered.current(),
    whileAlive: (work) => liveness.whileAlive(work),
  };
}

/** Tries RFC 8414 second: with a path in the issuer identifier the two addresses differ (§5). */
async function discoverJwksUri(
  options: BearerIssuerOptions,
  fetch: CustomFetch,
): Promise<string | undefined> {
  try {
    return await readJwksUri(options, fetch, 'oidc');
  } catch (error) {
    const outage = outageBehind(error);
    if (outage && outage.status === undefined) throw error;
    return readJwksUri(options, fetch, 'oauth2').catch(() => {
      throw error;
    });
  }
}

async function readJwksUri(
  { issuer, timeout }: BearerIssuerOptions,
  fetch: CustomFetch,
  algorithm: 'oidc' | 'oauth2',
): Promise<string | undefined> {
  // A client identifier is required, and only used in requests that are not made here.
  const found = await discovery(new URL(issuer), 'none', undefined, None(), {
    algorithm,
    [customFetch]: fetch,
    timeout: timeout / 1000,
    execute: issuer.startsWith('http:') ? [allowInsecureRequests] : [],
  });
  const metadata = found.serverMetadata();
  // "The issuer value returned MUST be identical" (RFC 8414 §3.3). The library normalizes URLs.
  if (metadata.issuer !== issuer)
    throw new Error(`configured issuer ${issuer}, but metadata of ${metadata.issuer}`);
  return metadata.jwks_uri;
}
