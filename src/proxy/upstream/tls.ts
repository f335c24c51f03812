import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { ProviderOptions, RouteOptions } from '../../config/options.ts';
import { readPrivateKeyPem } from '../../oauth/client/key.ts';

/**
 * What a connection to an upstream trusts and shows, in PEM. Empty: the usual authorities, and no
 * certificate.
 */
export interface UpstreamTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Reads the files a route names. Throws what is wrong with them. */
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
 * The routes as they are served: the certificate that a provider's tokens may be bound to is shown
 * to https upstreams that get them (RFC 8705 §3), unless the route has one of its own.
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

/** A provider's key may be a JWK. */
function readKey(path: string): string {
  const text = readFileSync(path, 'utf8');
  return text.trimStart().startsWith('{') ? readPrivateKeyPem(path) : text;
}
