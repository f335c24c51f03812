import { createHash } from 'node:crypto';

/** A small page of our own, without scripts. */
export interface Page {
  readonly title: string;
  readonly style: string;
  /** HTML, with all that came from elsewhere escaped. */
  readonly body: string;
}

/** The policy of a page: nothing but its own inline style. */
export function pagePolicy(style: string): string {
  const hash = createHash('sha256').update(style).digest('base64');
  return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

/** The page as HTML. */
export function renderPage({ title, style, body }: Page): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
${body}
</html>
`;
}

/** Text in the place of HTML, between tags or in quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
