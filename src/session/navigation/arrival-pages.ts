import { errorPagePolicy, renderErrorPage } from '../../http/error-page.ts';
import { escapeHtml, pagePolicy, renderPage } from '../../http/html-page.ts';
import type { Detour } from '../../errors.ts';

const style = `
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-content: center; padding: 1.5rem;
  box-sizing: border-box }
a { color: inherit }`;

const policy = pagePolicy(style);

/**
 * Creates the page that loads an address again, from our own origin. It has no script, and a link
 * for browsers that do not refresh automatically. `cookie` is a `Set-Cookie` value.
 */
export function reloadPage(address: string, cookie: string): Detour {
  const body = `<main><a href="${escapeHtml(address)}">Continue</a></main>`;
  return {
    status: 200,
    headers: {
      'Content-Security-Policy': policy,
      // With its `Referer`, the next request shows that it comes from this page.
      'Referrer-Policy': 'same-origin',
      'Set-Cookie': cookie,
    },
    page: renderPage({ title: 'One moment', style, refresh: address, body }),
  };
}

/** Creates the page for browsers that do not keep or do not send our cookies. */
export function noCookiesPage(address: string, requestId: string): Detour {
  const page = renderErrorPage({
    status: 401,
    code: 'not_signed_in',
    sentence:
      'Your browser keeps no cookies for this site, and without cookies you cannot sign in.',
    requestId,
    link: { href: address, label: 'Try again' },
  });
  return { status: 401, headers: { 'Content-Security-Policy': errorPagePolicy }, page };
}
