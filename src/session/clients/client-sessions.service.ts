import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../../clock.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import { SignedInSessionsService } from '../sessions/signed-in-sessions.service.ts';
import { SessionStore } from '../sessions/session-store.ts';
import { beginSession, newSecret, type Session, type SessionClient } from '../sessions/session.ts';
import { recordNameOf } from '../store/sealed-records.ts';
import type { ClientSignIn } from './client-sign-ins.ts';

/**
 * Begins, finds and ends the sessions of clients of our own authorization server. They are like
 * those of browsers, but no cookie opens them: the secret that names the record is forgotten.
 */
@Injectable()
export class ClientSessionsService {
  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly store: SessionStore,
    private readonly sessions: SignedInSessionsService,
  ) {}

  /**
   * Begins the session of a client. It ends after `unclaimed` milliseconds, unless the client
   * claims it with `use`. Throws `login_expired` if a logout has ended it in the meantime.
   */
  async begin(
    { signIn, provider, begunAt }: ClientSignIn,
    client: SessionClient,
    userAgent: string | undefined,
    unclaimed: number,
  ): Promise<Session> {
    const times = { now: this.clock(), begunAt };
    const { session: limits } = this.options;
    const secret = newSecret();
    const id = recordNameOf(secret);
    const session = { ...beginSession(signIn, provider, userAgent, limits, times), id, client };
    const cookie = { originalMaxAge: null };
    await this.store.begin(secret, { cookie, signedIn: session });
    await this.store.shorten(id, unclaimed);
    await this.sessions.keepWithinLimit(session);
    return session;
  }

  /** Returns the session of a client, `undefined` if it has ended. */
  async find(id: string): Promise<Session | undefined> {
    const session = await this.store.read(id);
    return session?.client && session;
  }

  /** Returns the session of a client and begins a new idle period. `undefined` if it has ended. */
  async use(id: string): Promise<Session | undefined> {
    const session = await this.find(id);
    return session && (await this.store.slide(session)) !== undefined ? session : undefined;
  }

  /** Ends the session of a client and revokes its tokens at the provider. */
  async end(id: string): Promise<void> {
    if (await this.find(id)) await this.sessions.end(id);
  }
}
