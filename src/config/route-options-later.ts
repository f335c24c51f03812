import { z } from 'zod';
import { duration, flag, later, oneOf, text, wholeNumber } from './scalar.ts';

/** What a route may be told in a later release; refused until then. */
export const laterRouteOptions = {
  session: later(
    oneOf(['required', 'none'])
      .prefault('required')
      .describe('For `token: client`: whether callers must be signed in.'),
    'a route without a session',
  ),
  resource: later(
    text().describe('Resource the route’s own access token is asked for (RFC 8707).'),
    'an access token for one resource',
  ),
  exchange: later(
    z.strictObject({
      audience: text().describe('Audience of the exchanged token.'),
      scope: text().describe('Scope of the exchanged token.'),
      actor: text().describe('Who acts on behalf of the user.'),
    }),
    'token exchange',
  ),
  scope: later(
    text().describe('Scope the user’s access token must have.'),
    'asking for a scope on a route',
  ),
  acr: later(
    text().describe('Authentication the user must have signed in with.'),
    'asking for a stronger sign-in',
  ),
  maxAge: later(
    duration({ atMost: '400d' }).describe('How long ago the user may have signed in.'),
    'asking for a recent sign-in',
  ),
  rewrite: later(text().describe('Path that replaces the matched one.'), 'rewriting the path'),
  websocket: later(
    flag().describe('Whether WebSockets may be opened on this route.'),
    'forwarding WebSockets',
    false,
  ),
  retry: later(
    wholeNumber(0, 10)
      .prefault(0)
      .describe('How often a request that can be repeated safely is tried again.'),
    'retrying requests',
  ),
  http2: later(
    flag().prefault(false).describe('Whether to speak HTTP/2 to the upstream.'),
    'HTTP/2 to upstreams',
  ),
  ca: later(
    text().describe(
      'PEM file with the authorities to trust for this upstream. `NODE_EXTRA_CA_CERTS` works today, for all connections.',
    ),
    'a certificate authority for one upstream',
  ),
  clientCert: later(
    text().describe('PEM file with the certificate to show to the upstream.'),
    'a client certificate for an upstream',
  ),
  clientKey: later(
    text().describe('PEM file with the private key of that certificate.'),
    'a client key for an upstream',
  ),
};
