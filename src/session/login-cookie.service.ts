import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { cookieAttributes } from './cookies.ts';
import { pendingLoginLifetime } from './pending-logins.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session-options.ts';
import { newSecret } from './session.ts';
import { SignedCookie } from './signed-cookie.ts';

/** Separates the two parts of the cookie's value; secrets do not contain it. */
const separator = '.';

/** What the login cookie of a browser binds to it. */
export interface LoginBinding {
  /** Binds all pending logins of the browser, in any number of tabs. */
  readonly login: string;
  /** Binds the one attempt to connect an account that this browser began last, `undefined` if it began none. */
  readonly connect: string | undefined;
}

/** A binding that the browser gets with the next response. */
export interface NewBinding {
  readonly binding: string;
  /** The whole value of the login cookie. */
  readonly cookieValue: string;
}

/**
 * The login cookie: one secret that binds every pending login of a browser to it, and a second one for an attempt to connect
 * an account. The second one is new with each attempt, so a cookie from before it does not finish it.
 */
@Injectable()
export class LoginCookie {
  readonly #cookie: SignedCookie;

  constructor(@Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions) {
    this.#cookie = new SignedCookie(options.cookies.login, options.session.secrets);
  }

  /** The binding that this browser shows, `undefined` if it began no login in the last ten minutes. */
  read(request: Request): LoginBinding | undefined {
    const value = this.#cookie.read(request.headers.cookie);
    const [login, attempt] = value?.split(separator, 2) ?? [];
    return login ? { login, connect: attempt && value } : undefined;
  }

  /** A binding for one more login. What the cookie binds already stays bound. */
  forLogin(request: Request): NewBinding {
    const shown = this.read(request);
    const binding = shown?.login ?? newSecret();
    return { binding, cookieValue: shown?.connect ?? binding };
  }

  /** A binding for a new attempt to connect an account, which takes the place of an earlier one. Pending logins stay bound. */
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
