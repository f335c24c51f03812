/** What a connection depends on while it is open: a session, and the rules of its route. */
export interface SessionBinding {
  readonly sessionId: string;
  /**
   * Resolves to whether the rules of the route still admit the user. It must not reject.
   * `undefined` if the route has no rules.
   */
  readonly isStillAllowed: (() => Promise<boolean>) | undefined;
}
