import { isBelow } from '../http/path-prefix.ts';
import { pathOf } from '../http/public-paths.ts';
import { isMainPage } from './blocks/pages.ts';
import type { ComparedOptions } from './compared-options.ts';
import { rule } from './values/rule.ts';

/** Checks that no path of `frontend.public` belongs to a route or is below `basePath`. */
export const publicFrontend = rule<ComparedOptions>(
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

/** Checks that the page of `errorUrl` can be shown without a sign-in. */
export const publicErrorPage = rule<ComparedOptions>(
  ['errorUrl', 'frontend.signIn', 'routes.*.path', 'routes.*.signedOut'],
  ({ errorUrl, frontend, routes }, report) => {
    if (errorUrl === undefined) return;
    const path = pathOf(errorUrl);
    const remedy = 'choose a page that needs no sign-in';
    const owner = routes.toSorted(byLength).find((route) => isBelow(path, route.path));
    if (owner?.signedOut === 'login')
      report(
        ['errorUrl'],
        `is ${errorUrl}, but route ${owner.path} has signedOut: login, so a failed sign-in would ` +
          `begin again and again; ${remedy}`,
      );
    if (!owner && frontend?.signIn === 'required' && isMainPage(path))
      report(
        ['errorUrl'],
        `is ${errorUrl}, but frontend.signIn is required, and the page of errorUrl needs no ` +
          'sign-in; choose a page of its own, like /signin-error',
      );
  },
);

/** Longest path first. */
function byLength(one: { readonly path: string }, other: { readonly path: string }): number {
  return other.path.length - one.path.length;
}
