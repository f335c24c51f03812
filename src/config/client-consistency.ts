import type { ComparedOptions } from './compared-options.ts';
import { isBelow } from '../http/path-prefix.ts';
import { rule } from './values/rule.ts';

/** Checks that bearer routes accept the tokens of at least one authorization server. */
export const bearerRoutes = rule<ComparedOptions>(
  ['routes.*.clients', 'bearer', 'authorizationServer'],
  ({ routes, bearer, authorizationServer }, report) => {
    if (bearer || authorizationServer) return;
    for (const [index, { clients }] of routes.entries())
      if (clients.includes('bearer'))
        report(
          ['routes', index, 'clients'],
          'contains bearer, but no access token would be accepted; configure bearer.issuers or ' +
            'authorizationServer',
        );
  },
);

const resourceMetadata = '/.well-known/oauth-protected-resource';

/** Checks that no route is where the BFF itself has the metadata of its bearer routes. */
export const metadataPaths = rule<ComparedOptions>(
  ['routes.*.clients', 'routes.*.path'],
  ({ routes }, report) => {
    if (!routes.some(({ clients }) => clients.includes('bearer'))) return;
    for (const [index, { path }] of routes.entries())
      if (isBelow(path, resourceMetadata))
        report(
          ['routes', index, 'path'],
          `is ${path}, but the BFF has the metadata of its own routes for clients with access ` +
            'tokens there; choose another path',
        );
  },
);
