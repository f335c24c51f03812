import type { SessionData } from 'express-session';
import { idleTimeLeft, isSession, type Session, type SessionLimits } from './session.ts';

// Inside the declaration below, `Session` would be express-session's own.
type SignedInSession = Session;

declare module 'express-session' {
  interface SessionData {
    /** Present in every stored session: one is only created by a sign-in. */
    signedIn?: SignedInSession;
  }
}

/** The content of a session's record, `undefined` if this release could not have written it. */
export function parseRecord(
  text: string,
): (SessionData & { readonly signedIn: Session }) | undefined {
  const data = JSON.parse(text) as Partial<SessionData> | null;
  return data?.cookie && isSession(data.signedIn) ? (data as never) : undefined;
}

/** The time to live of a session's record, in seconds. */
export function secondsLeft(data: SessionData, limits: SessionLimits, now: number): number {
  return data.signedIn ? idleTimeLeft(data.signedIn, limits, now) / 1000 : 0;
}
