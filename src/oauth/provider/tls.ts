import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { readPrivateKeyPem } from '../client/key.ts';

/** The files that configure a provider's TLS connections. */
export interface ProviderTlsOptions {
  readonly ca?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly profile?: 'fapi2' | undefined;
}

/**
 * "only … the cipher suites recommended in BCP 195" (FAPI 2.0 Security Profile §5.2.2). All cipher
 * suites of TLS 1.3 are recommended.
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

/** The TLS settings of a provider's connections. Certificates and keys are PEM. */
interface ProviderTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly ciphers?: string;
  readonly minVersion: 'TLSv1.2';
}

/** Reads the provider's own TLS settings, or `undefined` if it uses the defaults. */
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
 * Reads a file with PEM certificates. Throws if it contains none: TLS would silently trust no
 * server or send no certificate.
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

/** Throws if a certificate and a key do not match. */
export function refuseMismatch(cert: string, key: string): void {
  createSecureContext({ cert, key });
}
