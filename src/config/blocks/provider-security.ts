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
      'File with the client’s private key, for `private_key_jwt`, `jar`, mutual TLS and ' +
        'encrypted ID tokens: a JWK, a JWK Set or PEM. Of a JWK Set, the first private key ' +
        'for signatures and all keys for decryption are used. A JWK contains its `kid` and ' +
        '`alg`; without `alg`, RSA signs with RS256 (PS256 with `profile: fapi2`), P-256 with ' +
        'ES256, Ed25519 with EdDSA. Signatures use a new key as soon as it is in the file; ' +
        'for TLS it is read at the start.',
    ),
  clientCert: readableFile()
    .optional()
    .describe(
      'PEM file with the client’s certificate and the chain to its authority, for mutual ' +
        'TLS (RFC 8705). It is sent to the provider, at its `mtls_endpoint_aliases` if it has ' +
        'them, and to https upstreams that get the provider’s tokens, unless the route has a ' +
        'certificate of its own. It is read at the start.',
    ),
  ca: readableFile()
    .optional()
    .describe(
      'PEM file with the certificate authorities to trust for this provider, instead of the ' +
        'usual ones. `NODE_EXTRA_CA_CERTS` adds to those for all connections.',
    ),
  jar: flag()
    .prefault(false)
    .describe(
      'Whether authorization requests are signed with `clientKey` (JAR, RFC 9101), so that ' +
        'they cannot be changed on their way through the browser.',
    ),
  jarm: flag()
    .prefault(false)
    .describe(
      'Whether the provider must sign its responses to the callback (JARM). Other responses ' +
        'are then refused; `idTokenAlgorithms` applies to them too.',
    ),
  dpop: flag()
    .prefault(false)
    .describe(
      'Whether tokens are bound to a key of each session (DPoP, RFC 9449), so that a stolen ' +
        'token is worthless. Upstreams get a proof with every request, made for their own ' +
        'address, and must check it.',
    ),
  responseMode: oneOf(['query', 'form_post'])
    .prefault('query')
    .describe(
      'How the provider sends its response to the callback: `query`, in the address, or ' +
        '`form_post`, in a form that the provider’s page submits. With `form_post` the ' +
        'callback accepts nothing else, and the login cookie is `SameSite=None`, which needs ' +
        'an https `publicUrl`.',
    ),
  profile: oneOf(['fapi2'])
    .optional()
    .describe(
      'One switch for what the FAPI 2.0 Security Profile requires of clients: pushed ' +
        'requests, `dpop` unless there is a `clientCert`, `iss` in every response, PS256, ' +
        'ES256 or EdDSA for all signatures, TLS 1.2 or newer with strong ciphers. The start ' +
        'fails if other options (`clientAuth` must be `private_key_jwt` or mutual TLS, ' +
        'endpoints must be discovered) or the provider’s metadata, if it can be reached, do ' +
        'not meet the profile.',
    ),
};
