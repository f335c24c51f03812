/**
 * What a connection depends on while it is open: a session with its account, or an access token,
 * and the route's rules.
 */
export interface ConnectionBinding {
  /** The session or the subject for which open WebSockets are counted. */
  readonly owner: string;
  /** `undefined` for an access token of another issuer, which has no session. */
  readonly sessionId: string | undefined;
  /** When it ends even if the session goes on, in epoch milliseconds. `undefined` if never. */
  readonly endsAt: number | undefined;
  /**
   * Resolves to whether the route still admits the user: its rules hold, and a connected account is
   * still connected. It must not reject. `undefined` if only the end of the session counts.
   */
  readonly isStillAllowed: (() => Promise<boolean>) | undefined;
}
