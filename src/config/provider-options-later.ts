import { z } from 'zod';
import { flag, later, oneOf, text } from './scalar.ts';

/** What a provider may be told in a later release; refused until then. */
export const laterProviderOptions = {
  preset: later(
    text().describe(
      'A well-known service (`github`, `discord`, …) whose endpoints and user fields the BFF knows.',
    ),
    'a preset',
  ),
  user: later(
    z
      .record(z.string(), text())
      .describe(
        'For `type: oauth2`: which field of the user endpoint is `sub`, `name`, `email` and so on.',
      ),
    'reading the user of a plain OAuth 2 service',
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
