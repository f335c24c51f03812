import type { ComparedOptions } from './compared-options.ts';
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
