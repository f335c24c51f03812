import type { z } from 'zod';
import { isBelow } from '../http/path-prefix.ts';
import { pathOf } from '../http/public-paths.ts';
import { isMainPage } from './blocks/pages.ts';
import type { provider } from './blocks/provider.ts';
import { claimReference } from './blocks/route-headers.ts';
import type { login, user } from './blocks/pages.ts';
import type { route } from './blocks/route.ts';
import { rule } from './values/rule.ts';

/** The options that must be consistent with others. */
interface ComparedOptions {
  readonly publicUrl: string;
  readonly server: { readonly port: number; readonly workers: number };
  readonly management: { readonly port: number };
  readonly basePath: string;
  readonly redis?: object | undefined;
  readonly frontend?: { readonly signIn: string; readonly public: readonly string[] } | undefined;
  readonly errorUrl?: string | undefined;
  readonly providers: readonly z.output<typeof provider>[];
  readonly login: z.output<typeof login>;
  readonly user: z.output<typeof user>;
  readonly routes: readonly z.output<typeof route>[];
}

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

const publicFrontend = rule<ComparedOptions>(
  ['frontend.public', 'routes.*.path', 'basePath'],
  ({ frontend, routes, basePath }, report) => {
    for (const [index, path] of (frontend?.public ?? []).entries()) {
      const owner = routes.find((route) => route.path !== '/' && isBelow(path, route.path))?.path;
      if (owner === undefined && !isBelow(path, basePath)) continue;
      const whose = owner === undefined ? `below basePath ${basePath}` : `of route ${owner}`;
      report(
        ['frontend', 'public', index],
        `is ${path}, which is ${whose} and not of the frontend; remove it`,
      );
    }
  },
);

const keptClaims = rule<ComparedOptions>(
  ['user.claims', 'login.require', 'routes.*.require', 'routes.*.headers'],
  ({ user: { claims: kept }, login, routes }, report) => {
    if (!kept) return;
    const refuse = (path: readonly (string | number)[], names: readonly string[]) => {
      for (const name of names)
        if (!isKept(name, kept))
          report(path, `needs the claim ${name}, which user.claims does not keep; add it there`);
    };
    for (const [at, entry] of (login.require ?? []).entries())
      refuse(['login', 'require', at], claimsOfRule(entry));
    for (const [index, { require: rules = [], headers }] of routes.entries()) {
      for (const [at, entry] of rules.entries())
        refuse(['routes', index, 'require', at], claimsOfRule(entry));
      for (const [header, value] of Object.entries(headers.set))
        refuse(
          ['routes', index, 'headers', 'set', header],
          [...value.matchAll(claimReference)].map(([, name = '']) => name),
        );
    }
  },
);

const publicErrorPage = rule<ComparedOptions>(
  ['errorUrl', 'frontend.signIn', 'routes.*.path', 'routes.*.signedOut'],
  ({ errorUrl, frontend, routes }, report) => {
    if (errorUrl === undefined) return;
    const path = pathOf(errorUrl);
    const remedy = 'choose a page that needs no sign-in';
    const owner = routes.toSorted(byLength).find((route) => isBelow(path, route.path));
    if (owner?.signedOut === 'login')
      report(
        ['errorUrl'],
        `is ${errorUrl}, but route ${owner.path} has signedOut: login, so a failed sign-in would begin again and again; ${remedy}`,
      );
    if (!owner && frontend?.signIn === 'required' && isMainPage(path))
      report(
        ['errorUrl'],
        `is ${errorUrl}, but frontend.signIn is required, and the page of errorUrl needs no sign-in; choose a page of its own, like /signin-error`,
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
] as const;

/** Whether a claim, named whole or by its path, is part of a claim that is kept. */
function isKept(name: string, kept: readonly string[]): boolean {
  return kept.some((claim) => name === claim || name.startsWith(`${claim}.`));
}

/** The parts of a rule that name claims. */
interface RuleEntry {
  readonly claim?: string | undefined;
  readonly emailDomain?: readonly string[] | undefined;
  readonly unverified?: boolean | undefined;
}

/** The claims that a rule looks at. An e-mail address counts if it is verified. */
function claimsOfRule(entry: RuleEntry & { readonly anyOf?: readonly RuleEntry[] | undefined }) {
  return (entry.anyOf ?? [entry]).flatMap(({ claim = [], emailDomain, unverified }) =>
    [claim, emailDomain && !unverified ? 'email_verified' : []].flat(),
  );
}

/** Longest path first. */
function byLength(one: { readonly path: string }, other: { readonly path: string }): number {
  return other.path.length - one.path.length;
}

/** Each repeated entry, with the index of its first occurrence. */
function repeated(values: readonly (string | undefined)[]): [index: number, first: number][] {
  return values.flatMap((value, index) => {
    const first = values.indexOf(value);
    return value !== undefined && first < index ? [[index, first]] : [];
  });
}
