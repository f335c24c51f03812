import type { Request, Response } from 'express';
import { BffError } from '../../errors.ts';
import type { Provider } from '../../oauth/provider/provider.ts';

/** An authorization response on its way in. */
export interface Callback {
  readonly request: Request;
  readonly response: Response;
  readonly provider: Provider;
  /** Its parameters, as they came. */
  readonly received: URLSearchParams;
  /** The state it names, before any of it is believed. Absent: none. */
  readonly state: string | undefined;
  /** Nobody sees what is answered: the page around the frame is told. */
  readonly isInFrame: boolean;
}

/** After a form `303`, which no browser repeats the form for (RFC 9700 §4.12). */
export function goOn({ method }: Request, response: Response, address: string): void {
  response.redirect(method === 'POST' ? 303 : 302, address);
}

/**
 * A `Strict` session cookie does not come along on the way back; where one does, it must name the
 * session that is to be connected, or an account would end up in another than its user looks at.
 * Throws `session_mismatch`.
 */
export function refuseOtherSession({ session: { signedIn } }: Request, id: string): void {
  if (!signedIn || signedIn.id === id) return;
  const cause = new Error('the browser has another session now');
  throw new BffError('session_mismatch', { cause });
}
