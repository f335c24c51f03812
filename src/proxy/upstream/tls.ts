import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { ProviderOptions, RouteOptions } from '../../config/options.ts';
import { readPrivateKeyPem } from '../../oauth/client/key.ts';

/**
 * TLS options of connections to an upstream, in PEM. By default, connections trust Node's
 * certificate authorities and present no client certificate.
 */
export interface UpstreamTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * Reads the certificate and key files of a route. Throws if a file is unreadable or the files do
 * not fit together.
 */
export function readUpstreamTls({ ca, clientCert, clientKey }: RouteOptions): UpstreamTls {
  const tls = {
    ...(ca && { ca: readFileSync(ca, 'utf8') }),
    ...(clientCert && { cert: readFileSync(clientCert, 'utf8') }),
    ...(clientKey && { key: readKey(clientKey) }),
  };
  createSecureContext(tls);
  return tls;
}

/**
 * Adds the client certificate of the provider to https routes that carry its tokens, because the
 * tokens may be bound to it (RFC 8705 §3). A certificate of the route itself takes precedence.
 */
export function withProviderCertificates(
  routes: readonly RouteOptions[],
  providers: readonly ProviderOptions[],
): RouteOptions[] {
  return routes.map((route) => {
    const { token, clientCert: own, provider: name = providers[0]?.id, upstream } = route;
    const provider = providers.find(({ id }) => id === name);
    const { clientCert, clientKey } = provider ?? {};
    const isTls = upstream[0]?.startsWith('https:');
    if (token === 'none' || own || !isTls || !clientCert || !clientKey) return route;
    return { ...route, clientCert, clientKey };
  });
}

/** Reads a private key as PEM. A provider's key file may contain a JWK. */
function readKey(path: string): string {
  const text = readFileSync(path, 'utf8');
  return text.trimStart().startsWith('{') ? readPrivateKeyPem(path) : text;
}
