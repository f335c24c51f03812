import { z } from 'zod';
import { clientDocuments } from '../values/client-documents.ts';
import { readRedirectUri } from '../values/redirect-uri.ts';
import { rule } from '../values/rule.ts';
import { duration, flag, listOf, refuse, text } from '../values/scalar.ts';
import { readScope, scopeNames } from '../values/scope.ts';

const ownClient = z
  .strictObject({
    id: text(readClientId).describe('The `client_id` that the client sends.'),
    name: text(readClientName).describe(
      'Name of the client on the consent page and in the list of sessions.',
    ),
    redirectUris: listOf(text(readRedirectUri))
      .prefault([])
      .describe(
        'Where a sign-in may return to: `https://app.acme.com/cb`, a private scheme with a dot ' +
          '(`com.acme.app:/callback`), or `http://127.0.0.1/callback`, which stands for any port ' +
          '(RFC 8252). Compared exactly. A client of the device grant alone needs none.',
      ),
    scopes: scopeNames(text(readOwnScope))
      .optional()
      .describe(
        'The scopes that the client may ask for. By default all scopes of the routes whose ' +
          '`clients` include `bearer`.',
      ),
  })
  .describe('A client that has no cookie: a mobile, desktop or command-line application.');

/** The authorization server for clients of our own that are no browser. */
export const authorizationServer = z
  .strictObject({
    clients: z.array(ownClient).prefault([]).describe('The registered clients. All are public.'),
    clientIdMetadataDocuments: clientDocuments()
      .prefault(false)
      .describe(
        'Whether a client may use the https URL of its metadata document as `client_id`, as MCP ' +
          'clients do. The BFF fetches that document, never from a private address. ' +
          '`{ allowedHosts: [agent.corp.example] }` accepts documents of these hosts alone, ' +
          'which then may have private addresses.',
      ),
    deviceAuthorization: flag()
      .prefault(false)
      .describe(
        'Whether a client without a browser may show a code that its user enters at ' +
          '`{basePath}/oauth/device` (RFC 8628).',
      ),
    accessToken: duration({ atMost: '24h' })
      .prefault('10m')
      .describe('How long an access token is valid. Its session ends it earlier.'),
  })
  .check(
    rule(['clients'], ({ clients }, report) => {
      for (const [index, { id }] of clients.entries()) {
        const first = clients.findIndex((other) => other.id === id);
        if (first < index)
          report(
            ['clients', index, 'id'],
            `is ${id}, which is already the id of authorizationServer.clients[${first}]; choose ` +
              'another id',
          );
      }
    }),
    rule(['clients', 'clientIdMetadataDocuments'], ({ clients, ...options }, report) => {
      if (clients.length === 0 && !options.clientIdMetadataDocuments)
        report(
          ['clients'],
          'is empty, so no client could use the authorization server; add one, or set ' +
            'clientIdMetadataDocuments to true',
        );
    }),
  )
  .optional()
  .describe(
    'An authorization server for mobile, desktop and command-line clients and agents. Users sign ' +
      'in at your provider as in the browser; the client gets a handle of their session and never ' +
      'a token of the provider. See [native-clients.md](native-clients.md).',
  );

function readClientId(id: string): string {
  if (/^https?:/i.test(id))
    refuse('must not be an address; clientIdMetadataDocuments is for those');
  return /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/.test(id)
    ? id
    : refuse('must be at most 128 characters of ASCII without spaces and quotes');
}

function readClientName(name: string): string {
  if (name.length > 100 || /\p{Cc}/u.test(name))
    refuse('must be at most 100 characters without control characters');
  return name.trim();
}

function readOwnScope(scope: string): string {
  // These belong to OpenID Connect, which this authorization server does not speak.
  if (scope === 'openid' || scope === 'offline_access')
    refuse(`must not be ${scope}; the authorization server has no ID tokens, and always refreshes`);
  return readScope(scope);
}
