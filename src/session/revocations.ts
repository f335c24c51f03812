import type { Session } from './session.ts';

/** Which refresh tokens end with a session; `withoutOfflineAccess` is the rule of OIDC Back-Channel Logout §2.7. */
export type Revocation = 'always' | 'withoutOfflineAccess';

/** Revokes the tokens of one session, and never throws. */
export type Revoke = (session: Session, revocation: Revocation) => Promise<void>;

const revocationsAtOnce = 10;

/**
 * Revokes the tokens of sessions that one request ends, ten at a time however many portions there are: the provider has other
 * users to serve. No request waits for it. What waits here keeps the tokens of a session and nothing else of it.
 */
export class Revocations {
  #done: Promise<void> = Promise.resolve();

  constructor(private readonly revoke: Revoke) {}

  /** Begins when everything added before is done. */
  add(sessions: readonly Session[], revocation: Revocation): void {
    if (sessions.length === 0) return;
    const waiting = sessions.map(withTokensAlone);
    this.#done = this.#done.then(() => this.#revokeEach(waiting, revocation));
  }

  async #revokeEach(sessions: readonly Session[], revocation: Revocation): Promise<void> {
    for (let next = 0; next < sessions.length; next += revocationsAtOnce) {
      const few = sessions.slice(next, next + revocationsAtOnce);
      await Promise.all(few.map((session) => this.revoke(session, revocation)));
    }
  }
}

function withTokensAlone(session: Session): Session {
  const { connections: _, routeTokens: __, ...rest } = session;
  return { ...rest, claims: {} };
}
