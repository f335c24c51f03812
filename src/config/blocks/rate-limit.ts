import { z } from 'zod';
import { blockOrFalse, later, text, wholeNumber } from '../values/scalar.ts';

const limit = (what: string) =>
  later(text().describe(`How often a client may ${what}, \`30/1m\` for example.`), 'rate limiting');

/** Limits for clients without a session. */
export const rateLimit = blockOrFalse(
  z
    .strictObject({
      login: limit('begin a sign-in'),
      callback: limit('come back from a provider'),
      backchannel: limit('send a logout token'),
      failures: limit('send a callback or logout token that is refused'),
      pendingLogins: wholeNumber(1, 10_000_000)
        .prefault(100_000)
        .describe(
          'Maximum number of pending sign-ins and attempts to connect an account, on all ' +
            'replicas together. One more is refused with `429 rate_limited` until another is ' +
            'completed or its ten minutes are over. This limits the memory that requests without ' +
            'a session can take in Redis.',
        ),
    })
    .prefault({})
    .describe(
      'Limits for requests without a session. `false` disables all but ' +
        '`rateLimit.pendingLogins`, which then has its default.',
    ),
).prefault({});
