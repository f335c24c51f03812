import { Inject, Injectable, Logger } from '@nestjs/common';
import { CLOCK, type Clock } from '../../clock.ts';
import { finishLogin } from '../../oauth/login/login.ts';
import type { SignIn } from '../../oauth/login/sign-in.ts';
import { ClientSignIns } from '../../session/clients/client-sign-ins.ts';
import { SessionCookieService } from '../../session/cookie/session-cookie.service.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../../session/session-options.ts';
import { LinkedAccountsService } from '../../session/sessions/linked-accounts.service.ts';
import { beginSession, newSecret, type StartTimes } from '../../session/sessions/session.ts';
import type { PendingLogin } from '../../session/store/pending-logins.ts';
import { AUTH_OPTIONS, type AuthOptions } from '../auth-options.ts';
import { type Callback, refuseOtherSession } from './callback.ts';
import { SignInAdmissionService } from './sign-in-admission.service.ts';

/** A pending login that the callback has taken from the store. */
export interface TakenLogin {
  readonly pending: PendingLogin;
  /** The secret in the login cookie that the login is bound to. */
  readonly binding: string;
  /** When the callback arrived, by the store's clock. A logout after it ends what begins here. */
  readonly begunAt: number;
}

/**
 * Redeems the code of an authorization response, and makes what the sign-in was begun for: a
 * session of this browser, a connected account, or the sign-in of a client of our own.
 */
@Injectable()
export class SignInCompletionService {
  readonly #logger = new Logger('LoginController');

  constructor(
    @Inject(AUTH_OPTIONS) private readonly options: AuthOptions,
    @Inject(SESSION_OPTIONS) private readonly sessionOptions: SessionRoomOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly admission: SignInAdmissionService,
    private readonly accounts: LinkedAccountsService,
    private readonly sessionCookie: SessionCookieService,
    private readonly clientSignIns: ClientSignIns,
  ) {}

  /** Throws the errors of `finishLogin`, `SignInAdmissionService` and of the session store. */
  async complete(
    callback: Callback,
    taken: TakenLogin,
    authorizationResponse: URLSearchParams,
  ): Promise<void> {
    const { provider, request } = callback;
    const { pending, begunAt } = taken;
    if (pending.connects !== undefined) refuseOtherSession(request, pending.connects);
    const now = this.clock();
    const finished = await finishLogin(provider, pending.secrets, authorizationResponse, now);
    const signIn = await this.admission.admit(callback, pending, finished);
    if (pending.connects !== undefined) {
      const connecting = { id: pending.connects, provider: provider.id, begunAt };
      await this.accounts.connect(connecting, signIn);
    } else if (pending.authorizes !== undefined) {
      await this.#keepForClient(callback, taken, pending.authorizes, signIn);
    } else {
      await this.#beginSession(callback, pending, signIn, { now, begunAt });
    }
    this.#logger.log({ msg: messageOf(pending), provider: provider.id });
    this.options.listener.signInCompleted(provider.id);
  }

  async #beginSession(
    { request, response, provider }: Callback,
    { replaces }: PendingLogin,
    signIn: SignIn,
    times: StartTimes,
  ): Promise<void> {
    const { session: limits } = this.sessionOptions;
    const userAgent = request.headers['user-agent'];
    const session = beginSession(signIn, provider.id, userAgent, limits, times);
    await this.sessionCookie.issue(request, response, session, replaces);
  }

  /** The user has not consented yet, so there is no session. This browser's own one stays as it is. */
  async #keepForClient(
    { provider }: Callback,
    { binding, begunAt }: TakenLogin,
    authorizationRequest: string,
    signIn: SignIn,
  ): Promise<void> {
    const kept = { signIn, provider: provider.id, begunAt, formToken: newSecret() };
    await this.clientSignIns.put(authorizationRequest, binding, kept);
  }
}

function messageOf({ connects, authorizes }: PendingLogin): string {
  if (connects !== undefined) return 'account connected';
  return authorizes === undefined ? 'signed in' : 'signed in for a client';
}
