import { z } from 'zod';
import { routeAccessRules } from './access-rules.ts';
import { upstreamAddresses } from '../values/addresses.ts';
import { headers } from './route-headers.ts';
import { readableFile, requestPath } from '../values/paths.ts';
import { routeRules } from './route-rules.ts';
import { routeClientRules } from './route-client-rules.ts';
import { routeClientOptions } from './route-clients.ts';
import { routeTokenOptions } from './route-tokens.ts';
import { duration, flag, oneOf, size, text, wholeNumber } from '../values/scalar.ts';

/** A path prefix whose requests are forwarded to an upstream. */
export const route = z
  .strictObject({
    path: requestPath().describe(
      'Requests to this path and everything below it belong to the route; the longest ' +
        'matching path wins.',
    ),
    upstream: upstreamAddresses().describe(
      'Address of the upstream: http or https, with a path to put in front if needed, or ' +
        '`unix:/run/api.sock`. Of a list, the server with the fewest running requests is ' +
        'used, and one that accepts no connections is left out for a while; all must have the ' +
        'same scheme and path.',
    ),
    token: oneOf(['user', 'optional', 'none', 'client'])
      .prefault('user')
      .describe(
        '`user`: only for signed-in users, with their access token; others get `401`. ' +
          '`optional`: with the token if there is a session. `none`: for all requests, without ' +
          'a token. `client`: with a token of this application (client credentials).',
      ),
    signedOut: oneOf(['problem', 'login'])
      .prefault('problem')
      .describe(
        'What page navigations of signed-out users get. `problem`: `401` like any other ' +
          'request. `login`: they go to the sign-in and come back. With `login`, page ' +
          'navigations (`GET`) need no CSRF header; those of signed-in users that come from ' +
          'another site are refused.',
      ),
    provider: text()
      .optional()
      .describe(
        'The `id` of the provider whose access token the route carries. Without it, the first ' +
          'provider.',
      ),
    stripPrefix: flag()
      .prefault(false)
      .describe('Whether `path` is removed from the address that the upstream sees.'),
    rewrite: requestPath()
      .optional()
      .describe('What the upstream sees in place of `path`: `/v1` turns `/api/x` into `/v1/x`.'),
    timeout: duration({ atMost: '24d' })
      .prefault('30s')
      .describe(
        'How long the upstream may take until its response headers arrive. After that the ' +
          'client gets `504`.',
      ),
    idleTimeout: duration({ atMost: '24d' })
      .optional()
      .describe(
        'How long a running response or an open WebSocket may be silent before it is ended. ' +
          'Unlimited by default, which suits event streams.',
      ),
    maxBody: size()
      .prefault('100mb')
      .describe('Largest request body that is forwarded; a larger one gets `413`.'),
    websocket: flag()
      .prefault(true)
      .describe(
        'Whether WebSockets may be opened on this route. On a route with a token only pages ' +
          'of this application may open them (`Origin`), with the access token of that moment. ' +
          'The WebSocket is closed with `4401` within a second of the end of its session.',
      ),
    csrf: flag()
      .prefault(true)
      .describe(
        'Whether requests must have the CSRF header (only on routes with a token). `false` ' +
          'lets other sites send requests in the name of a signed-in user, wherever the browser ' +
          'attaches the cookie.',
      ),
    headers,
    retry: wholeNumber(0, 10)
      .prefault(1)
      .describe(
        'How often a request is sent again if the connection breaks before a response begins, ' +
          'for example because the server has just closed a kept-alive connection. Only for ' +
          'requests without a body: GET, HEAD, OPTIONS, PUT, DELETE.',
      ),
    http2: flag()
      .prefault(false)
      .describe(
        'Whether to use HTTP/2 with the upstream: over https if the server agrees, over http ' +
          'and sockets without negotiation (h2c).',
      ),
    ca: readableFile()
      .optional()
      .describe(
        'PEM file with the certificate authorities to trust for this upstream, instead of the ' +
          'usual ones. `NODE_EXTRA_CA_CERTS` adds to those for all connections.',
      ),
    clientCert: readableFile()
      .optional()
      .describe('PEM file with the client certificate for the upstream.'),
    clientKey: readableFile()
      .optional()
      .describe('PEM file with the private key of that certificate.'),
    ...routeTokenOptions,
    ...routeClientOptions,
    require: routeAccessRules
      .optional()
      .describe(
        'Who may call: every entry must hold for the claims of the signed-in user. Others get ' +
          '`403 not_allowed`. With `token: optional` it concerns signed-in callers only. See ' +
          '[access.md](access.md).',
      ),
  })
  .check(...routeRules, ...routeClientRules)
  .describe('One part of the address space that is forwarded to an upstream.');
