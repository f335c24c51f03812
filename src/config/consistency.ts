import { isBelow } from '../http/path-prefix.ts';
import { keptClaims } from './claim-consistency.ts';
import { bearerRoutes, metadataPaths } from './client-consistency.ts';
import type { ComparedOptions } from './compared-options.ts';
import { publicErrorPage, publicFrontend } from './page-consistency.ts';
import { rule } from './values/rule.ts';

const sharedSessions = rule<ComparedOptions>(
  ['publicUrl', 'redis'],
  ({ publicUrl, redis }, report) => {
    if (publicUrl.startsWith('https:') && !redis)
      report(
        ['redis', 'url'],
        `is required because publicUrl is ${publicUrl}: without Redis every restart signs out ` +
          'all users; only http://localhost works without it',
      );
  },
);

const sharedByWorkers = rule<ComparedOptions>(
  ['server.workers', 'redis'],
  ({ server: { workers }, redis }, report) => {
    if (workers > 1 && !redis)
      report(
        ['server', 'workers'],
        `is ${workers}, but without redis.url each process would have sessions of its own; ` +
          'configure redis or leave it at 1',
      );
  },
);

const differentPorts = rule<ComparedOptions>(
  ['server.port', 'management.port'],
  ({ server, management }, report) => {
    if (server.port === management.port && server.port !== 0)
      report(
        ['management', 'port'],
        `is ${management.port} and server.port is ${server.port}; give them different ports`,
      );
  },
);

const uniqueProviderIds = rule<ComparedOptions>(['providers.*.id'], ({ providers }, report) => {
  for (const [index, first] of repeated(providers.map(({ id }) => id)))
    report(
      ['providers', index, 'id'],
      `is ${providers[first]?.id}, which is already the id of providers[${first}]; choose ` +
        'another id',
    );
});

const uniqueClients = rule<ComparedOptions>(
  ['providers.*.issuer', 'providers.*.clientId', 'providers.*.preset', 'providers.*.type'],
  ({ providers }, report) => {
    const clients = providers.map(({ issuer, clientId }) => JSON.stringify([issuer, clientId]));
    for (const [index, first] of repeated(clients))
      report(
        ['providers', index, 'clientId'],
        `is ${providers[index]?.clientId}, and providers[${first}] is the same client of the ` +
          'same issuer; an issuer can be configured once for each client',
      );
  },
);

const crossSiteCookies = rule<ComparedOptions>(
  ['publicUrl', 'providers.*.responseMode'],
  ({ publicUrl, providers }, report) => {
    if (publicUrl.startsWith('https:')) return;
    for (const [index, { responseMode }] of providers.entries())
      if (responseMode === 'form_post')
        report(
          ['providers', index, 'responseMode'],
          `is form_post, but publicUrl is ${publicUrl}: browsers send cookies with such a form ` +
            'over https only; use https or responseMode query',
        );
  },
);

const knownProviders = rule<ComparedOptions>(
  ['providers.*.id', 'routes.*.provider'],
  ({ providers, routes }, report) => {
    const ids = providers.map(({ id }) => id);
    for (const [index, { provider }] of routes.entries())
      if (provider !== undefined && !ids.includes(provider))
        report(
          ['routes', index, 'provider'],
          `is ${provider}, but the providers are ${ids.join(', ')}; name one of them`,
        );
  },
);

const clientWithCredentials = rule<ComparedOptions>(
  ['providers.*.id', 'providers.*.clientAuth', 'routes.*.provider', 'routes.*.token'],
  ({ providers, routes }, report) => {
    for (const [index, { token, exchange, provider = providers[0]?.id }] of routes.entries()) {
      const option = token === 'client' ? 'token' : exchange?.actor && 'exchange.actor';
      const { clientAuth } = providers.find(({ id }) => id === provider) ?? {};
      if (option && clientAuth === 'none')
        report(
          ['routes', index, ...option.split('.')],
          `is client, but clientAuth of provider ${provider} is none, and only a client with ` +
            'credentials gets a token of its own (RFC 6749 §4.4); give the provider a ' +
            'clientSecret or another clientAuth',
        );
    }
  },
);

const uniquePaths = rule<ComparedOptions>(['routes.*.path'], ({ routes }, report) => {
  for (const [index, first] of repeated(routes.map(({ path }) => path)))
    report(
      ['routes', index, 'path'],
      `is ${routes[first]?.path}, which is already the path of routes[${first}]; choose ` +
        'another path or remove one of the two routes',
    );
});

const pathsBesideOurs = rule<ComparedOptions>(
  ['routes.*.path', 'basePath'],
  ({ routes, basePath }, report) => {
    for (const [index, { path }] of routes.entries()) {
      if (path !== '/' && (isBelow(path, basePath) || isBelow(basePath, path)))
        report(
          ['routes', index, 'path'],
          `is ${path}, but basePath is ${basePath} and neither may contain the other; change ` +
            'one of them',
        );
    }
  },
);

const oneOwnerOfTheRoot = rule<ComparedOptions>(
  ['routes.*.path', 'frontend'],
  ({ routes, frontend }, report) => {
    const index = routes.findIndex(({ path }) => path === '/');
    if (index >= 0 && frontend)
      report(
        ['routes', index, 'path'],
        'is /, but a frontend is configured and serves that; choose a longer path or remove ' +
          'frontend',
      );
  },
);

/** Consistency rules between the blocks of a configuration. */
export const consistency = [
  sharedSessions,
  sharedByWorkers,
  differentPorts,
  uniqueProviderIds,
  uniqueClients,
  crossSiteCookies,
  knownProviders,
  clientWithCredentials,
  uniquePaths,
  pathsBesideOurs,
  oneOwnerOfTheRoot,
  publicFrontend,
  publicErrorPage,
  keptClaims,
  bearerRoutes,
  metadataPaths,
] as const;

/** Each repeated entry, with the index of its first occurrence. */
function repeated(values: readonly (string | undefined)[]): [index: number, first: number][] {
  return values.flatMap((value, index) => {
    const first = values.indexOf(value);
    return value !== undefined && first < index ? [[index, first]] : [];
  });
}
