import type { Session } from './session.ts';

/**
 * Which refresh tokens are revoked with a session. `withoutOfflineAccess` follows OIDC Back-Channel
 * Logout §2.7.
 */
export type Revocation = 'always' | 'withoutOfflineAccess';

/** Revokes the tokens of one session. Never rejects. */
export type Revoke = (session: Session, revocation: Revocation) => Promise<void>;

/** The maximum number of concurrent revocations. */
const maxConcurrentRevocations = 10;

/**
 * Revokes the tokens of the sessions that one request ends, in the background and ten at a time, to
 * limit the load on the provider. Queued entries keep only the tokens of a session.
 */
export class Revocations {
  #done: Promise<void> = Promise.resolve();

  constructor(private readonly revoke: Revoke) {}

  /** Queues the sessions behind all that were added before. */
  add(sessions: readonly Session[], revocation: Revocation): void {
    if (sessions.length === 0) return;
    const waiting = sessions.map(withTokensOnly);
    this.#done = this.#done.then(() => this.#revokeEach(waiting, revocation));
  }

  async #revokeEach(sessions: readonly Session[], revocation: Revocation): Promise<void> {
    for (let next = 0; next < sessions.length; next += maxConcurrentRevocations) {
      const batch = sessions.slice(next, next + maxConcurrentRevocations);
      await Promise.all(batch.map((session) => this.revoke(session, revocation)));
    }
  }
}

function withTokensOnly(session: Session): Session {
  const { connections: _, routeTokens: __, ...rest } = session;
  return { ...rest, claims: {} };
}
