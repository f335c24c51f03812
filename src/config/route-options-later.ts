import { z } from 'zod';
import { duration, later, oneOf, text } from './scalar.ts';

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
};
