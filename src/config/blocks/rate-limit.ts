import { z } from 'zod';
import { blockOrFalse, refuse, scalar, wholeNumber } from '../values/scalar.ts';

/** An option of a later release. It is refused, never ignored. */
const limit = (what: string) =>
  scalar<undefined, string>(() =>
    refuse('rate limiting is not part of this release yet; remove this option'),
  )
    .optional()
    .describe(`*Later release.* How often a client may ${what}, \`30/1m\` for example.`);

/** Limits for clients without a session. */
export const rateLimit = blockOrFalse(
  z
    .strictObject({
      login: limit('start a sign-in'),
      callback: limit('send a callback'),
      backchannel: limit('send a logout token'),
      failures: limit('send a refused callback or logout token'),
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
