import { escapeHtml, pagePolicy, renderPage } from './html-page.ts';

/** Content of the page that is shown when a page navigation fails. */
export interface ErrorPage {
  readonly status: number;
  readonly code: string;
  /** What happened, in a sentence for the user. */
  readonly sentence: string;
  readonly requestId: string;
  /** The next step for the user. */
  readonly link: { readonly href: string; readonly label: string };
}

const style = `
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-content: center; padding: 1.5rem;
  box-sizing: border-box }
main { max-width: 34rem }
h1 { font-size: 1.5rem; line-height: 1.25; text-wrap: balance; margin: 0 0 1.5rem }
a { display: inline-block; padding: .6rem 1.1rem; border-radius: .5rem; text-decoration: none;
  color: Canvas; background: CanvasText }
a:focus-visible { outline: 3px solid Highlight; outline-offset: 3px }
p { margin: 2rem 0 0; opacity: .65; font-size: .85rem; overflow-wrap: anywhere }`;

/** The `Content-Security-Policy` of the page, which allows only its own inline style. */
export const errorPagePolicy = pagePolicy(style);

/**
 * Renders the error page, without scripts: what happened, a link to the next step, and the details
 * that the user can give to support.
 */
export function renderErrorPage({ status, code, sentence, requestId, link }: ErrorPage): string {
  const body = `<main>
<h1>${escapeHtml(sentence)}</h1>
<a href="${escapeHtml(link.href)}">${escapeHtml(link.label)}</a>
<p>${status} · ${escapeHtml(code)} · ${escapeHtml(requestId)}</p>
</main>`;
  return renderPage({ title: sentence, style, body });
}
