import { flag, listOf, oneOf } from '../values/scalar.ts';
import { scopeNames } from '../values/scope.ts';

/** The options of a route for callers that are no browser. */
export const routeClientOptions = {
  clients: listOf(oneOf(['browser', 'bearer']))
    .min(1, 'needs browser, bearer or both')
    .prefault(['browser'])
    .describe(
      'Who may call. `browser`: pages of this application, by their session cookie. `bearer`: ' +
        'clients with an access token in `Authorization`, of `bearer.issuers` or of ' +
        '`authorizationServer`; their cookie is ignored and they need no CSRF header. With both, ' +
        '`Authorization` decides. See [bearer.md](bearer.md).',
    ),
  scopes: scopeNames()
    .prefault([])
    .describe(
      'For `clients: [bearer]`: the scopes that an access token must have, every one. Others get ' +
        '`403 insufficient_scope`.',
    ),
  forwardToken: flag()
    .prefault(true)
    .describe(
      'For `clients: [bearer]`: whether the upstream gets an access token of such a caller. It is ' +
        'the caller’s own of `bearer.issuers`, an exchanged one with `exchange`, or that of the ' +
        'session of a client of `authorizationServer`. A DPoP-bound token of `bearer.issuers` is ' +
        'never forwarded, so such a route needs `exchange` or `false`.',
    ),
};
