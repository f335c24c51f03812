import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Response } from 'express';
import type { ErrorCode } from '../../errors.ts';
import type { LoginParameters } from '../../oauth/login/login.ts';

/**
 * How the response of a silent sign-in is known by its state, also when it is of no use any more.
 */
export const silentMark = '.s';

/**
 * Whether somebody's page wants to know, in a frame it does not show, if the provider still has a
 * session for its user (OIDC Core §3.1.2.1, `prompt=none`). Only a browser that says what it loads
 * can ask this.
 */
export function isSilent(headers: IncomingHttpHeaders, { prompt }: LoginParameters): boolean {
  return headers['sec-fetch-dest'] === 'iframe' && prompt === 'none';
}

/**
 * The same of the answer that comes back with a state. In a window of its own there is no page
 * around it.
 */
export function isSilentResponse(headers: IncomingHttpHeaders, state: string | undefined): boolean {
  const isMarked = state?.endsWith(silentMark) ?? false;
  return isMarked && headers['sec-fetch-dest'] !== 'document';
}

/**
 * Tells the page around the frame, if it is one of ours, whether somebody is signed in now, or what
 * was in the way. Nobody else is told, nor may frame it.
 */
export function tellPage(
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
    `default-src 'none'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`,
  );
  const page = `<!doctype html><html lang="en"><title>Sign-in</title><script>${script}</script></html>\n`;
  response.type('html').send(page);
}
