/**
 * Returns the page where a user decides about an authorization request of a client of our own. It
 * is the return URL of the sign-in for that request.
 */
export function interactionPath(basePath: string, authorizationRequest: string): string {
  return `${basePath}/oauth/interaction/${encodeURIComponent(authorizationRequest)}`;
}
