import { Inject, Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { BffError, type Detour } from '../../errors.ts';
import { isDocumentNavigation, isPrefetch } from '../../http/navigation.ts';
import { cookieValues } from '../cookie/cookies.ts';
import { refuseForeignNavigation } from '../cookie/csrf.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session-options.ts';
import { SessionReaderService } from '../sessions/session-reader.service.ts';
import { maxReloads, nextStep } from './arrival.ts';
import { ArrivalCookie } from './arrival-cookie.ts';
import { noCookiesPage, reloadPage } from './arrival-pages.ts';

/** Injects a `ReturnUrlFor`. */
export const RETURN_URL_FOR = Symbol('return URL for an address');

/** Returns the return URL for a local address, or the default if a sign-in would not accept it. */
export type ReturnUrlFor = (address: string) => string;

/** Creates the responses to navigations to pages that need a sign-in. */
@Injectable()
export class SignedOutNavigationService {
  readonly #cookie: ArrivalCookie;

  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    private readonly sessions: SessionReaderService,
    @Inject(RETURN_URL_FOR) private readonly returnUrlFor: ReturnUrlFor,
  ) {
    this.#cookie = new ArrivalCookie(options.arrivalCookie, options.publicUrl);
  }

  /**
   * Creates the error for a request that needs a sign-in. A navigation is redirected to `loginUrl`,
   * or first loads its own address again. Other requests and prefetches get `not_signed_in`.
   */
  notSignedIn(request: Request, loginUrl: string): BffError {
    const isPage = isDocumentNavigation(request) && !isPrefetch(request.headers);
    const detour = isPage && this.#detour(request, loginUrl);
    return new BffError('not_signed_in', { extensions: { loginUrl }, ...(detour && { detour }) });
  }

  /**
   * Throws `csrf` for a signed-in navigation that comes from another site. One that returns from
   * its sign-in loads its address again instead.
   */
  refuseOtherSites(request: Request): void {
    const { headers, originalUrl: address } = request;
    try {
      refuseForeignNavigation(headers, this.options.publicUrl);
    } catch (error) {
      const reloads = this.#cookie.reloadsOf(headers.cookie, address);
      if (reloads === undefined || reloads >= maxReloads || isPrefetch(headers)) throw error;
      throw new BffError('csrf', { detour: this.#reload(address, reloads) });
    }
  }

  /**
   * Sets the arrival cookie for the location to which a sign-in returns, where the browser may
   * arrive without its session cookie.
   */
  returnsTo(location: string, { headers }: Request, response: Response): void {
    if (!this.options.tracksReturns || !location.startsWith('/')) return;
    const [address = ''] = location.split('#', 1);
    const reloads = this.#cookie.reloadsOf(headers.cookie, address) ?? 0;
    response.append('Set-Cookie', this.#cookie.line(address, reloads));
  }

  /** Removes the arrival cookie, after a sign-out. */
  forget({ headers }: Request, response: Response): void {
    if (this.#cookie.isIn(headers.cookie)) response.append('Set-Cookie', this.#cookie.removal());
  }

  #detour(request: Request, loginUrl: string): Detour {
    const { headers, originalUrl: address } = request;
    const reloads = this.#cookie.reloadsOf(headers.cookie, address);
    switch (this.#nextStep(request, reloads)) {
      case 'reload':
        return this.#reload(address, reloads ?? 0);
      case 'stuck':
        return noCookiesPage(address, String(request.id));
      case 'sign-in': {
        const returnUrl = new URLSearchParams({ returnUrl: this.returnUrlFor(address) });
        const location = `${loginUrl}${loginUrl.includes('?') ? '&' : '?'}${returnUrl}`;
        return { status: 302, headers: { Location: location } };
      }
    }
  }

  #nextStep({ headers, originalUrl }: Request, reloads: number | undefined) {
    const { publicUrl, session } = this.options;
    const { cookie, referer, 'sec-fetch-site': site } = headers;
    // The browser sent the session cookie, so its session has ended.
    if (session.sameSite !== 'strict' || this.sessions.idIn(cookie) !== undefined) return 'sign-in';
    return nextStep({
      site: site as string | undefined,
      isFromHere: referer === publicUrl + originalUrl,
      reloads,
      keepsCookies: this.#keepsCookies(cookie),
    });
  }

  #keepsCookies(header: string | undefined): boolean {
    if (header === undefined) return false;
    const { login } = this.options.cookies;
    return this.#cookie.isIn(header) || cookieValues(header, login).length > 0;
  }

  #reload(address: string, reloads: number): Detour {
    return reloadPage(address, this.#cookie.line(address, reloads + 1));
  }
}
