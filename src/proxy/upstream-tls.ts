import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { RouteOptions } from '../config/options.ts';

/** What a connection to an upstream trusts and shows, in PEM. Empty: the usual authorities, and no certificate. */
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
    ...(clientKey && { key: readFileSync(clientKey, 'utf8') }),
  };
  createSecureContext(tls);
  return tls;
}
