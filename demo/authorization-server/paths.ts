/**
 * Everything that needs the server's cookies lies below this path, so that they reach no other
 * server on the same host.
 */
export const cookiePath = '/oauth';

/** UserInfo, OIDC Core §5.3. */
export const userInfoPath = '/userinfo';

/** The record of a sign-in, at the path under which the BFF's route reaches it. */
export const journeyPath = '/api/journey';
