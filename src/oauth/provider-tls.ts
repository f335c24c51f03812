import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { readPrivateKeyPem } from './client-key.ts';

/** The files that decide over a provider's connections. */
export interface ProviderTlsOptions {
  readonly ca?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
}

/** What a provider's connections trust and show, in PEM. */
interface ProviderTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Reads what a provider's connections trust and show. Absent: the usual authorities, and no certificate. */
export function readProviderTls(options: ProviderTlsOptions): ProviderTls | undefined {
  const { ca, clientCert, clientKey } = options;
  if (!ca && !clientCert) return undefined;
  return {
    ...(ca && { ca: readCertificates(ca) }),
    ...(clientCert && { cert: readCertificates(clientCert) }),
    ...(clientCert && clientKey && { key: readPrivateKeyPem(clientKey) }),
  };
}

/** Throws a sentence if the file has no certificate in PEM: TLS would silently trust nobody, or show nothing. */
export function readCertificates(path: string): string {
  const pem = readFileSync(path, 'utf8');
  try {
    void new X509Certificate(pem);
  } catch {
    throw new Error('has no certificate in PEM');
  }
  return pem;
}

/** Throws if a certificate and a key do not belong together. */
export function refuseMismatch(cert: string, key: string): void {
  createSecureContext({ cert, key });
}
