import { flag, later, oneOf, text } from './scalar.ts';

/** What a provider may be told in a later release; refused until then. */
export const laterProviderOptions = {
  clientKey: later(
    text().describe(
      'File with the client’s private key (JWK or PEM), for `private_key_jwt`, JAR and mutual TLS.',
    ),
    'a client key',
  ),
  clientCert: later(
    text().describe('File with the client’s certificate, for mutual TLS.'),
    'a client certificate',
  ),
  ca: later(
    text().describe(
      'PEM file with the authorities to trust for this provider. `NODE_EXTRA_CA_CERTS` works today, for all connections.',
    ),
    'a certificate authority for one provider',
  ),
  jar: later(
    flag().prefault(false).describe('Sign authorization requests (RFC 9101).'),
    'signing authorization requests (JAR)',
  ),
  jarm: later(
    flag().prefault(false).describe('Ask for signed authorization responses (JARM).'),
    'JARM',
  ),
  dpop: later(
    flag().prefault(false).describe('Bind tokens to a key of the BFF (RFC 9449).'),
    'DPoP',
  ),
  responseMode: later(
    oneOf(['query', 'form_post'])
      .prefault('query')
      .describe('How the provider sends its answer back to the callback.'),
    'another response mode',
  ),
  profile: later(
    oneOf(['fapi2']).describe('One switch for everything the FAPI 2.0 security profile asks for.'),
    'the FAPI 2.0 profile',
  ),
};
