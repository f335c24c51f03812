import { z } from 'zod';
import { later, text } from './scalar.ts';

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
};
