import { z } from 'zod';
import { upstreamAddresses } from './addresses.ts';
import { headers } from './header-options.ts';
import { requestPath } from './paths.ts';
import { laterRouteOptions } from './route-options-later.ts';
import { rule } from './rule.ts';
import { duration, flag, oneOf, size, text } from './scalar.ts';

/** One part of the address space that is forwarded to a server of yours. */
export const route = z
  .strictObject({
    path: requestPath().describe(
      'Requests to this path and everything below it belong to the route; the longest matching path wins.',
    ),
    upstream: upstreamAddresses().describe(
      'Address of the server that answers, http or https, perhaps with a path that is put in front. A list may contain one address.',
    ),
    token: oneOf(['user', 'optional', 'none'], { later: ['client'] })
      .prefault('user')
      .describe(
        '`user`: only for people who are signed in, with their access token; others get `401`. `optional`: with the token if they are signed in. `none`: for everybody, without a token.',
      ),
    provider: text()
      .optional()
      .describe(
        'The `id` of the provider whose access token the route carries. Without it, the first provider.',
      ),
    stripPrefix: flag()
      .prefault(false)
      .describe('Whether the upstream sees the address without `path` in front.'),
    timeout: duration({ atMost: '24d' })
      .prefault('30s')
      .describe(
        'How long the upstream may take until its response headers arrive; then the caller gets `504`.',
      ),
    idleTimeout: duration({ atMost: '24d' })
      .optional()
      .describe(
        'How long a running answer may be silent before it is cut off. Without it, for ever: right for event streams.',
      ),
    maxBody: size()
      .prefault('100mb')
      .describe('Largest request body that is forwarded; a larger one gets `413`.'),
    csrf: flag()
      .prefault(true)
      .describe(
        'Whether callers must send the CSRF header (token routes only). `false` lets other sites send requests in the name of a signed-in user, wherever the browser attaches the cookie.',
      ),
    headers,
    ...laterRouteOptions,
  })
  .check(
    rule(['token', 'headers.pass'], ({ token, headers: { pass } }, report) => {
      if (token !== 'none' && pass.includes('authorization'))
        report(
          ['headers', 'pass'],
          `names Authorization, but token is ${token}; the route sends its own, so remove it or set token to none`,
        );
    }),
  )
  .describe('One part of the address space that is forwarded to a server of yours.');
