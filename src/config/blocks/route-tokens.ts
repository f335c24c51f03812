import { z } from 'zod';
import { duration, oneOf, refuse, text } from '../values/scalar.ts';

/**
 * The options for a route's own access token, and for how recently and how strongly the user must
 * have authenticated.
 */
export const routeTokenOptions = {
  session: oneOf(['required', 'none'])
    .prefault('required')
    .describe(
      'For `token: client`: whether requests need a session. `none` lets every client use ' +
        'the upstream with the authority of this application.',
    ),
  resource: text(readResource)
    .optional()
    .describe(
      'Resource of the route’s own access token (RFC 8707), an absolute URI as the provider ' +
        'knows it. A sign-in requests all resources of its provider’s routes; each token is ' +
        'then requested with the refresh token, or for `token: client` with client ' +
        'credentials.',
    ),
  exchange: z
    .strictObject({
      audience: text()
        .optional()
        .describe('Audience of the exchanged token, by the name that the provider has for it.'),
      scope: scopeList().optional().describe('Scopes of the exchanged token, separated by spaces.'),
      actor: oneOf(['client'])
        .optional()
        .describe(
          '`client`: the exchanged token names the BFF as actor, by an access token of its own ' +
            '(`actor_token`). By default it does not name the BFF.',
        ),
    })
    .optional()
    .describe(
      'The provider exchanges the user’s access token for one of the route’s own (RFC ' +
        '8693). At least one of `audience` and `scope`.',
    ),
  scope: scopeList()
    .optional()
    .describe(
      'Scopes of the route’s own access token, separated by spaces. A sign-in requests them ' +
        'too. By default the token has all granted scopes (`token: client`: those that the ' +
        'provider chooses).',
    ),
  acr: text(readAcr)
    .optional()
    .describe(
      'How the user must have signed in (`acr` of the ID token). Of several values, ' +
        'separated by spaces, one is enough. Other users get `401 step_up_required` with a ' +
        '`loginUrl` for such a sign-in.',
    ),
  maxAge: duration({ atMost: '400d' })
    .optional()
    .describe(
      'How long ago the user may have signed in at the provider (`auth_time`). After that: ' +
        '`401 step_up_required` with a `loginUrl` for a new sign-in.',
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
