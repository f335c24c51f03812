import type { Request, Response } from 'express';
import { BffError } from '../../errors.ts';
import type { Provider } from '../../oauth/provider/provider.ts';
import type { LoginWindow } from './login-window.ts';

/** An authorization response that is being processed. */
export interface Callback extends LoginWindow {
  readonly provider: Provider;
  /** The parameters as received. */
  readonly received: URLSearchParams;
  /** The `state` parameter, not yet verified. `undefined` if there is none. */
  readonly state: string | undefined;
}

/**
 * Redirects the browser. After a form it uses `303`, so that browsers do not send the form again
 * (RFC 9700 §4.12).
 */
export function redirectAfter({ method }: Request, response: Response, address: string): void {
  response.redirect(method === 'POST' ? 303 : 302, address);
}

/**
 * Throws `session_mismatch` if the request has a session cookie for another session than the one to
 * connect. Otherwise the account would be added to a session that the user does not see. A `Strict`
 * cookie is missing on the callback; the request is then accepted.
 */
export function refuseOtherSession({ session: { signedIn } }: Request, id: string): void {
  if (!signedIn || signedIn.id === id) return;
  const cause = new Error('the browser has another session now');
  throw new BffError('session_mismatch', { cause });
}
