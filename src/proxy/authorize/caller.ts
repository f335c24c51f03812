import type { BearerCaller, CallerToken } from '../../access/bearer/bearer-callers.service.ts';
import type { Session } from '../../session/sessions/session.ts';

/** The user of a request. */
export interface Caller {
  /**
   * The session of the request. `undefined` if the client is not signed in or the route does not
   * read the session.
   */
  readonly session: Session | undefined;
  /**
   * The part of the session that the upstream may receive: the session itself or a connected
   * account. `undefined` if there is none at the provider of the route.
   */
  readonly account: Session | undefined;
  /** The access token of the request. `undefined` if its cookie decides, or if it has neither. */
  readonly bearer: BearerCaller | undefined;
}

/** A client that is not signed in. */
export const anonymous: Caller = { session: undefined, account: undefined, bearer: undefined };

/**
 * Returns what has the claims of the user and tells how they signed in: their account, or the
 * access token of another issuer. `undefined` if the client is not signed in.
 */
export function subjectOf({ account, bearer }: Caller): Session | CallerToken | undefined {
  return account ?? bearer?.token;
}
