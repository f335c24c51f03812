import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { readPrivateKeyPem } from '../client/key.ts';

/** The files that decide over a provider's connections. */
export interface ProviderTlsOptions {
  readonly ca?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly profile?: 'fapi2' | undefined;
}

/**
 * "only … the cipher suites recommended in BCP 195" (FAPI 2.0 Security Profile §5.2.2); those of
 * TLS 1.3 all are.
 */
const recommendedCiphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':');

/** What a provider's connections trust, show, in PEM, and agree to. */
interface ProviderTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ciphers?: string;
  readonly minVersion: 'TLSv1.2';
}

/** Reads what a provider's connections trust and show. Absent: what all connections do. */
export function readProviderTls(options: ProviderTlsOptions): ProviderTls | undefined {
  const { ca, clientCert, clientKey, profile } = options;
  if (!ca && !clientCert && !profile) return undefined;
  return {
    minVersion: 'TLSv1.2',
    ...(profile && { ciphers: recommendedCiphers }),
    ...(ca && { ca: readCertificates(ca) }),
    ...(clientCert && { cert: readCertificates(clientCert) }),
    ...(clientCert && clientKey && { key: readPrivateKeyPem(clientKey) }),
  };
}

/**
 * Throws a sentence if the file has no certificate in PEM: TLS would silently trust nobody, or show
 * nothing.
 */
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
