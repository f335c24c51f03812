import { Inject, Injectable } from '@nestjs/common';
import type { Response } from 'express';
import { CLOCK, type Clock } from '../../clock.ts';
import { BffError } from '../../errors.ts';
import { SessionStore } from '../../session/sessions/session-store.ts';
import type { Session } from '../../session/sessions/session.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { claimRecords, userObject } from './user.ts';

/** Sends the signed-in user in the format of `user.format`. */
@Injectable()
export class UserResponseService {
  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly store: SessionStore,
  ) {}

  /**
   * Sends the user of a session, and renews its idle time unless `slides` is `false`. Without a
   * session, throws `not_signed_in` or sends `null`, as `user.anonymous` says.
   */
  async send(response: Response, session: Session | undefined, slides = true): Promise<void> {
    const idleExpiresAt = session && (await this.#idleExpiry(session, slides));
    if (!session || !idleExpiresAt) return this.#sendSignedOut(response);
    const now = this.clock();
    const logoutUrl = `${this.options.basePath}/logout?sid=${encodeURIComponent(session.id)}`;
    const view = { session, idleExpiresAt, now, logoutUrl };
    const { format } = this.options.user;
    response.json(format === 'claims-array' ? claimRecords(view) : userObject(view));
  }

  async #idleExpiry(session: Session, slides: boolean) {
    return slides ? this.store.slide(session) : this.store.idleExpiry(session.id);
  }

  #sendSignedOut(response: Response): void {
    if (this.options.user.anonymous !== 200) throw new BffError('not_signed_in');
    response.json(null);
  }
}
