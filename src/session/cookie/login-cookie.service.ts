import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { cookieAttributes } from './cookies.ts';
import { pendingLoginLifetime } from '../store/pending-logins.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import { newSecret } from '../sessions/session.ts';
import { SignedCookie } from './signed-cookie.ts';

/** Separates the two parts of the cookie value. Secrets do not contain it. */
const separator = '.';

/** The secrets in a login cookie. */
export interface LoginBinding {
  /** Binds all pending logins to the browser, in any number of tabs. */
  readonly login: string;
  /** Binds the latest attempt to connect an account, `undefined` if there is none. */
  readonly connect: string | undefined;
}

/** A binding for a login, and the cookie value that stores it in the browser. */
export interface NewBinding {
  readonly binding: string;
  /** The whole value of the login cookie. */
  readonly cookieValue: string;
}

/**
 * The login cookie has one secret that binds all pending logins to a browser, and a second one for
 * an attempt to connect an account. The second is new for each attempt, so that an older cookie
 * cannot complete it.
 */
@Injectable()
export class LoginCookieService {
  readonly #cookie: SignedCookie;

  constructor(@Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions) {
    this.#cookie = new SignedCookie(options.cookies.login, options.session.secrets);
  }

  /** The binding of this browser, or `undefined` if it started no login in the last ten minutes. */
  read(request: Request): LoginBinding | undefined {
    const value = this.#cookie.read(request.headers.cookie);
    const [login, attempt] = value?.split(separator, 2) ?? [];
    return login ? { login, connect: attempt && value } : undefined;
  }

  /** Returns the binding for another login. Existing bindings remain valid. */
  forLogin(request: Request): NewBinding {
    const current = this.read(request);
    const binding = current?.login ?? newSecret();
    return { binding, cookieValue: current?.connect ?? binding };
  }

  /**
   * Returns the binding for a new attempt to connect an account. It replaces that of an earlier
   * attempt; pending logins stay bound.
   */
  forConnect(request: Request): NewBinding {
    const login = this.read(request)?.login ?? newSecret();
    const binding = login + separator + newSecret();
    return { binding, cookieValue: binding };
  }

  /** Sets the cookie for another ten minutes. */
  set(response: Response, { cookieValue }: NewBinding): void {
    const { loginSameSite, publicUrl } = this.options;
    response.cookie(this.#cookie.name, this.#cookie.sign(cookieValue), {
      ...cookieAttributes(publicUrl),
      sameSite: loginSameSite,
      maxAge: pendingLoginLifetime,
    });
  }
}
