/** What a connection depends on while it is open: a session, its account, the route's rules. */
export interface SessionBinding {
  readonly sessionId: string;
  /**
   * Resolves to whether the route still admits the user: its rules hold, and a connected account is
   * still connected. It must not reject. `undefined` if only the end of the session counts.
   */
  readonly isStillAllowed: (() => Promise<boolean>) | undefined;
}
