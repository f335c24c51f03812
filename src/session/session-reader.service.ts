import { Inject, Injectable } from '@nestjs/common';
import { readSignedCookie } from './cookies.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session-options.ts';
import { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';

/** A session, and the secret in the cookie that named it. */
export interface PresentedSession {
  readonly secret: string;
  readonly session: Session;
}

/**
 * Reads the session of a request without express-session, for everything that only reads: it cannot write one back by
 * accident, and costs what it must. Throws `session_store_unavailable`.
 */
@Injectable()
export class SessionReader {
  constructor(
    private readonly store: SessionStore,
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
  ) {}

  /** The session the `Cookie` header names, or `undefined`: signed out. */
  async read(cookieHeader: string | undefined): Promise<PresentedSession | undefined> {
    const secret = this.secretIn(cookieHeader);
    const session = secret && (await this.store.read(secret));
    return secret && session ? { secret, session } : undefined;
  }

  /** What a validly signed session cookie holds, whether or not such a session still exists. */
  secretIn(cookieHeader: string | undefined): string | undefined {
    const { cookies, session } = this.options;
    return readSignedCookie(cookieHeader, cookies.session, session.secrets);
  }

  /** Begins a new idle period and says when it ends (epoch milliseconds). Absent: the session is gone. */
  async slide({ secret, session }: PresentedSession): Promise<number | undefined> {
    return this.store.slide(secret, session);
  }
}
