import type { SessionData } from 'express-session';
import { idleTimeLeft, isSession, type Session, type SessionLimits } from './session.ts';

// Inside the declaration below, `Session` would be express-session's own.
type SignedInSession = Session;

declare module 'express-session' {
  interface SessionData {
    /** Present in every stored session: only a sign-in creates one. */
    signedIn?: SignedInSession;
  }
}

/** What express-session stores for a browser that is signed in. */
export type SignedInData = SessionData & { readonly signedIn: Session };

/**
 * Parses the record of a session. `undefined` if this release could not have written it. Throws a
 * `SyntaxError` if the text is not JSON.
 */
export function parseRecord(text: string): SignedInData | undefined {
  const data = JSON.parse(text) as Partial<SessionData> | null;
  const { cookie, signedIn } = data ?? {};
  return cookie && isSession(signedIn) ? { ...data, cookie, signedIn } : undefined;
}

/** Returns the time to live of a session's record, in seconds. */
export function secondsLeft(data: SessionData, limits: SessionLimits, now: number): number {
  return data.signedIn ? idleTimeLeft(data.signedIn, limits, now) / 1000 : 0;
}
