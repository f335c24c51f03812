import { readableFile } from '../values/paths.ts';
import { flag, oneOf } from '../values/scalar.ts';

/**
 * Options for mutual authentication with a provider, beyond a client secret and the default
 * certificate authorities.
 */
export const providerSecurityOptions = {
  clientKey: readableFile()
    .optional()
    .describe(
      'File with the client’s private key, for `private_key_jwt`, `jar`, mutual TLS and encrypted ID tokens: a JWK, a JWK Set (its first private key for signatures counts, and all that may decrypt) or PEM. A JWK says its `kid` and `alg`; without `alg`, RSA signs with RS256 (PS256 with `profile: fapi2`), P-256 with ES256, Ed25519 with EdDSA. Signatures use a new key as soon as it is in the file; for TLS it is read at the start.',
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
  jar: flag()
    .prefault(false)
    .describe(
      'Whether authorization requests are signed with `clientKey` (JAR, RFC 9101), so that nobody can change them on their way through the browser.',
    ),
  jarm: flag()
    .prefault(false)
    .describe(
      'Whether the provider is asked to sign its answers to the callback (JARM). Then no other is accepted; `idTokenAlgorithms` holds for them too.',
    ),
  dpop: flag()
    .prefault(false)
    .describe(
      'Whether tokens are bound to a key of each session (DPoP, RFC 9449), so that a stolen one is worth nothing. Upstreams get a proof with every request, made for their own address, and have to check it.',
    ),
  responseMode: oneOf(['query', 'form_post'])
    .prefault('query')
    .describe(
      'How the provider’s answer comes back to the callback: in its address, or `form_post`, in a form that the provider’s page sends, for providers that insist. Then that callback accepts nothing else, and the login cookie has to be `SameSite=None`, which needs an https `publicUrl`.',
    ),
  profile: oneOf(['fapi2'])
    .optional()
    .describe(
      'One switch for what the FAPI 2.0 Security Profile asks of clients: pushed requests, `dpop` unless there is a `clientCert`, `iss` in every answer, PS256, ES256 or EdDSA in all signatures, TLS 1.2 or newer with its best ciphers. It stops the start where the rest of the configuration falls short (`clientAuth` has to be `private_key_jwt` or of TLS, endpoints are discovered), and where the provider’s metadata do, if it can be asked.',
    ),
};
