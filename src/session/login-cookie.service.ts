import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { cookieAttributes, readSignedCookie, signedCookieValue } from './cookies.ts';
import { pendingLoginLifetime } from './pending-logins.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from './session-options.ts';
import { newSecret } from './session.ts';

/** The login cookie: one secret that binds every pending login of a browser to it, however many tabs it signs in from. */
@Injectable()
export class LoginCookie {
  constructor(@Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions) {}

  /** The binding this browser shows. Absent: it began no login in the last ten minutes. */
  read(request: Request): string | undefined {
    const { cookies, session } = this.options;
    return readSignedCookie(request.headers.cookie, cookies.login, session.secrets);
  }

  /** The binding for one more login. One that is there is kept: logins in other tabs depend on it. */
  bindingFor(request: Request): string {
    return this.read(request) ?? newSecret();
  }

  /** Sets the cookie for another ten minutes. */
  set(response: Response, binding: string): void {
    const { cookies, loginSameSite, publicUrl, session } = this.options;
    response.cookie(cookies.login, signedCookieValue(binding, session.secrets), {
      ...cookieAttributes(publicUrl),
      sameSite: loginSameSite,
      maxAge: pendingLoginLifetime,
    });
  }
}
