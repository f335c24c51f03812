import { z } from 'zod';
import { upstreamAddresses } from '../values/addresses.ts';
import { headers } from './route-headers.ts';
import { readableFile, requestPath } from '../values/paths.ts';
import { routeRules } from './route-rules.ts';
import { routeTokenOptions } from './route-tokens.ts';
import { duration, flag, oneOf, size, text, wholeNumber } from '../values/scalar.ts';

/** A path prefix whose requests are forwarded to an upstream. */
export const route = z
  .strictObject({
    path: requestPath().describe(
      'Requests to this path and everything below it belong to the route; the longest matching path wins.',
    ),
    upstream: upstreamAddresses().describe(
      'Address of the server that answers: http or https, perhaps with a path that is put in front, or `unix:/run/api.sock`. Of a list, the server with the fewest requests under way is asked, and one that takes no connections is left out for a while; they must have the same scheme and path.',
    ),
    token: oneOf(['user', 'optional', 'none', 'client'])
      .prefault('user')
      .describe(
        '`user`: only for people who are signed in, with their access token; others get `401`. `optional`: with the token if they are signed in. `none`: for everybody, without a token. `client`: with a token of this application’s own (client credentials).',
      ),
    signedOut: oneOf(['problem', 'login'])
      .prefault('problem')
      .describe(
        'What page navigations of signed-out users get. `problem`: `401` like any other request. `login`: they go to the sign-in and come back. With `login`, page navigations (`GET`) need no CSRF header; those of signed-in users that come from another site are refused.',
      ),
    provider: text()
      .optional()
      .describe(
        'The `id` of the provider whose access token the route carries. Without it, the first provider.',
      ),
    stripPrefix: flag()
      .prefault(false)
      .describe('Whether the upstream sees the address without `path` in front.'),
    rewrite: requestPath()
      .optional()
      .describe('What the upstream sees in the place of `path`: `/v1` makes `/api/x` to `/v1/x`.'),
    timeout: duration({ atMost: '24d' })
      .prefault('30s')
      .describe(
        'How long the upstream may take until its response headers arrive; then the caller gets `504`.',
      ),
    idleTimeout: duration({ atMost: '24d' })
      .optional()
      .describe(
        'How long a running answer or an open WebSocket may be silent before it is ended. Without it, for ever: right for event streams.',
      ),
    maxBody: size()
      .prefault('100mb')
      .describe('Largest request body that is forwarded; a larger one gets `413`.'),
    websocket: flag()
      .prefault(true)
      .describe(
        'Whether WebSockets may be opened on this route. On a token route only pages of this application may (`Origin`), with the access token of that moment; the WebSocket is closed with `4401` within a second of the end of its session.',
      ),
    csrf: flag()
      .prefault(true)
      .describe(
        'Whether callers must send the CSRF header (token routes only). `false` lets other sites send requests in the name of a signed-in user, wherever the browser attaches the cookie.',
      ),
    headers,
    retry: wholeNumber(0, 10)
      .prefault(1)
      .describe(
        'How often a request is sent again when the connection breaks before an answer begins, as one that was kept alive does when its server has just given it up. Only requests without a body that may be repeated: GET, HEAD, OPTIONS, PUT, DELETE.',
      ),
    http2: flag()
      .prefault(false)
      .describe(
        'Whether to speak HTTP/2 to the upstream: over https where it agrees, over http and sockets without asking (h2c).',
      ),
    ca: readableFile()
      .optional()
      .describe(
        'PEM file with the authorities to trust for this upstream, instead of the usual ones. `NODE_EXTRA_CA_CERTS` adds to those for all connections.',
      ),
    clientCert: readableFile()
      .optional()
      .describe('PEM file with the certificate to show to the upstream.'),
    clientKey: readableFile()
      .optional()
      .describe('PEM file with the private key of that certificate.'),
    ...routeTokenOptions,
  })
  .check(...routeRules)
  .describe('One part of the address space that is forwarded to a server of yours.');
