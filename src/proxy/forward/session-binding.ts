/** What a connection depends on while it is open: a session, its account, the route's rules. */
export interface SessionBinding {
  /** `undefined` if the caller has a token of another authorization server, and no session. */
  readonly sessionId: string | undefined;
  /** Whose open WebSockets are counted together: the session, or the subject of such a token. */
  readonly owner: string;
  /**
   * Resolves to whether the route still admits the user: its rules hold, and a connected account is
   * still connected. It must not reject. `undefined` if only the end of the session counts.
   */
  readonly isStillAllowed: (() => Promise<boolean>) | undefined;
  /**
   * The end of the access token that opened the connection, in epoch milliseconds. `undefined` for
   * browsers.
   */
  readonly expiresAt: number | undefined;
}
