import { readableFile } from './paths.ts';

/** How a provider knows that it is us, and how we know the provider, beyond a secret and the usual authorities. */
export const providerSecurityOptions = {
  clientKey: readableFile()
    .optional()
    .describe(
      'File with the client’s private key, for `private_key_jwt` and mutual TLS: a JWK, a JWK Set (its first private key for signatures counts) or PEM. A JWK says its `kid` and `alg`; without `alg`, RSA signs with RS256 (PS256 with `profile: fapi2`), P-256 with ES256, Ed25519 with EdDSA. Signatures use a new key as soon as it is in the file; for TLS it is read at the start.',
    ),
  clientCert: readableFile()
    .optional()
    .describe(
      'PEM file with the client’s certificate, and the chain to its authority, for mutual TLS (RFC 8705): it is shown to the provider, at its `mtls_endpoint_aliases` where it has them, and to https upstreams that get the provider’s tokens, unless the route has a certificate of its own. It is read at the start.',
    ),
  ca: readableFile()
    .optional()
    .describe(
      'PEM file with the authorities to trust for this provider, instead of the usual ones. `NODE_EXTRA_CA_CERTS` adds to those for all connections.',
    ),
};
