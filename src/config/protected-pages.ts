import { PublicPaths } from '../http/public-paths.ts';
import type { Options } from './options.ts';

/**
 * Returns what signed-out users may see of the frontend. `undefined` if it needs no sign-in, or if
 * there is no frontend.
 */
export function publicPathsOf({ frontend, errorUrl }: Options): PublicPaths | undefined {
  const isProtected = frontend?.signIn === 'required';
  return isProtected ? new PublicPaths(frontend.public, errorUrl) : undefined;
}

/** Whether the BFF must recognize navigations that return from a sign-in. */
export function tracksReturns({ frontend, routes, session }: Options): boolean {
  if (routes.some(({ signedOut }) => signedOut === 'login')) return true;
  return frontend?.signIn === 'required' && session.sameSite === 'strict';
}
