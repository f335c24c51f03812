import { z } from 'zod';
import { duration, oneOf, refuse, text } from '../values/scalar.ts';

/**
 * What a route can require beyond a session: its own access token, and how the user authenticated.
 */
export const routeTokenOptions = {
  session: oneOf(['required', 'none'])
    .prefault('required')
    .describe(
      'For `token: client`: whether callers must be signed in. `none` lets everybody use the upstream with the authority of this application.',
    ),
  resource: text(readResource)
    .optional()
    .describe(
      'Resource that the route’s own access token is asked for (RFC 8707), an absolute URI as the provider knows it. A sign-in asks for all resources of its provider’s routes; each token is then fetched with the refresh token, or for `token: client` with client credentials.',
    ),
  exchange: z
    .strictObject({
      audience: text()
        .optional()
        .describe('Who the exchanged token is for, by the name the provider has for it.'),
      scope: scopeList().optional().describe('Scopes of the exchanged token, separated by spaces.'),
      actor: oneOf(['client'])
        .optional()
        .describe(
          '`client`: the BFF is named as who acts for the user, by an access token of its own (`actor_token`). Without it, the exchanged token says nothing of the BFF.',
        ),
    })
    .optional()
    .describe(
      'The route’s own access token is what the provider exchanges the user’s for (RFC 8693). At least one of `audience` and `scope`.',
    ),
  scope: scopeList()
    .optional()
    .describe(
      'Scopes of the route’s own access token, separated by spaces. A sign-in asks for them too. Without it, the token has all that was granted (`token: client`: what the provider gives by itself).',
    ),
  acr: text(readAcr)
    .optional()
    .describe(
      'How the user must have signed in (`acr` of the ID token); of several, separated by spaces, one is enough. Whoever has not gets `401 step_up_required` with a `loginUrl` that asks for it.',
    ),
  maxAge: duration({ atMost: '400d' })
    .optional()
    .describe(
      'How long ago the user may have signed in at the provider (`auth_time`). After that: `401 step_up_required` with a `loginUrl` that asks for it.',
    ),
};

function readResource(value: string): string {
  // "MUST be an absolute URI … MUST NOT include a fragment component" (RFC 8707 §2).
  const isAbsolute = /^[a-z][a-z0-9+.-]*:[^\s#"<>\\^`{|}]+$/i.test(value) && URL.canParse(value);
  return isAbsolute
    ? value
    : refuse('must be an absolute URI without #, like https://reports.example.com');
}

function scopeList() {
  return text((value) => {
    const scopes = value.trim().split(/\s+/);
    const isWrong = scopes.some((scope) => !/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope));
    if (isWrong)
      refuse('must be scopes separated by spaces: no quote, no backslash (RFC 6749 §3.3)');
    return scopes.join(' ');
  });
}

function readAcr(value: string): string {
  if (/\p{Cc}/u.test(value)) refuse('must not contain control characters');
  return value.trim().split(/\s+/).join(' ');
}
