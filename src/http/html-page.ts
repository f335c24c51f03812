import { createHash } from 'node:crypto';

/** A page of the BFF, without scripts. */
export interface Page {
  readonly title: string;
  readonly style: string;
  /** The path to which the page redirects immediately. Optional. */
  readonly refresh?: string;
  /** HTML. The caller must escape all untrusted text in it. */
  readonly body: string;
}

/**
 * Returns a `Content-Security-Policy` that allows only the page's own inline style. `formTargets`
 * are the CSP sources that its forms may be sent and redirected to, by default none.
 */
export function pagePolicy(style: string, formTargets = "'none'"): string {
  const hash = createHash('sha256').update(style).digest('base64');
  const others = `base-uri 'none'; form-action ${formTargets}; frame-ancestors 'none'`;
  return `default-src 'none'; style-src 'sha256-${hash}'; ${others}`;
}

/** Renders a page as an HTML document. Escapes the title and `refresh`. */
export function renderPage({ title, style, refresh, body }: Page): string {
  const refreshTag =
    refresh && `\n<meta http-equiv="refresh" content="0;url=${escapeHtml(refresh)}">`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">${refreshTag ?? ''}
<title>${escapeHtml(title)}</title>
<style>${style}</style>
${body}
</html>
`;
}

/** Escapes text for HTML content and quoted attribute values. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
