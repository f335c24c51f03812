import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Response } from 'express';
import type { ErrorCode } from '../../errors.ts';
import type { LoginParameters } from '../../oauth/login/login.ts';
import { hasMark } from './login-mark.ts';

/**
 * Whether a login is silent: in a hidden frame, to check if the provider still has a session for
 * the user (OIDC Core §3.1.2.1, `prompt=none`). Requires a browser that sends `Sec-Fetch-Dest`.
 */
export function isSilent(headers: IncomingHttpHeaders, { prompt }: LoginParameters): boolean {
  return headers['sec-fetch-dest'] === 'iframe' && prompt === 'none';
}

/**
 * Whether an authorization response belongs to a silent sign-in in a frame. A response in a
 * top-level window has no page around it.
 */
export function isSilentResponse(headers: IncomingHttpHeaders, state: string | undefined): boolean {
  return hasMark(state, 'silent') && headers['sec-fetch-dest'] !== 'document';
}

/**
 * Sends the result of a silent sign-in to the page around the frame: whether the user is signed in,
 * or an error code. Only pages of our own origin can receive the message or frame the response.
 */
export function sendToParentPage(
  response: Response,
  publicUrl: string,
  outcome: boolean | ErrorCode,
): void {
  const isLoggedIn = outcome === true;
  const code = typeof outcome === 'string' ? { code: outcome } : {};
  const message = JSON.stringify({ source: 'bff-silent-login', isLoggedIn, ...code });
  const script = `parent.postMessage(${message},${JSON.stringify(publicUrl)})`;
  const hash = createHash('sha256').update(script).digest('base64');
  response.removeHeader('X-Frame-Options');
  response.setHeader(
    'Content-Security-Policy',
    `default-src 'none'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; ` +
      `frame-ancestors 'self'`,
  );
  const start = '<!doctype html><html lang="en"><title>Sign-in</title>';
  response.type('html').send(`${start}<script>${script}</script></html>\n`);
}
