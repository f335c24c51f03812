import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Response } from 'express';
import type { BffError } from '../../errors.ts';
import { escapeHtml, pagePolicy, renderPage } from '../../http/html-page.ts';
import { parameter, type Query } from '../../http/query.ts';
import { hasMark } from './login-mark.ts';

const style = `
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-content: center; padding: 1.5rem;
  box-sizing: border-box; text-align: center }`;

/** Whether a login happens in a pop-up window: `popup=1`. */
export function isPopup(query: Query): boolean {
  return parameter(query, 'popup') === '1';
}

/** Whether an authorization response belongs to a login in a pop-up window. */
export function isPopupResponse(headers: IncomingHttpHeaders, state: string | undefined): boolean {
  return hasMark(state, 'popup') && (headers['sec-fetch-dest'] ?? 'document') === 'document';
}

/**
 * Lets the window keep its connection to the page that has opened it. Every response in a pop-up
 * must allow that, redirects included (HTML, cross-origin opener policies).
 */
export function keepOpener(response: Response): void {
  response.setHeader('Cross-Origin-Opener-Policy', 'unsafe-none');
}

/**
 * Sends the page at the end of a login in a pop-up window. It tells the page that has opened it, and
 * all tabs of this origin, whether the user is signed in or which error there was, and closes. The
 * error is shown where a window does not close, because no script has opened it. `endpoint` is the
 * path of this response below `basePath`: the channel is named after what is before it.
 */
export function sendToOpener(
  response: Response,
  publicUrl: string,
  endpoint: string,
  error?: BffError,
): void {
  const code = error ? { code: error.code } : {};
  const message = JSON.stringify({ source: 'bff-popup-login', isLoggedIn: !error, ...code });
  const script = `const message = ${message}
opener?.postMessage(message, ${JSON.stringify(publicUrl)})
const name = 'pixie-bff:' + location.pathname.slice(0, -${endpoint.length})
if (self.BroadcastChannel) new BroadcastChannel(name).postMessage(message)
close()`;
  const hash = createHash('sha256').update(script).digest('base64');
  const sentence = error ? error.message : 'You are signed in.';
  const body = `<main>
<h1>${escapeHtml(sentence)}</h1>
<p>You can close this window.</p>
</main>
<script>${script}</script>`;
  keepOpener(response);
  response.setHeader(
    'Content-Security-Policy',
    `${pagePolicy(style)}; script-src 'sha256-${hash}'`,
  );
  response.type('html').send(renderPage({ title: 'Sign-in', style, body }));
}
