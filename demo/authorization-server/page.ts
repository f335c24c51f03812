import { html, type Html } from './html.ts';

/** The part of a Koa context that answers with a page. */
export interface PageContext {
  status: number;
  type: string;
  body: unknown;
  set(field: string, value: string): void;
}

interface PageOptions {
  readonly status?: number;
  /** Further origins that forms of this page may lead to. Absent: none but ours. */
  readonly formTargets?: readonly string[];
}

/** What differs from page to page. */
export interface Page {
  readonly title: string;
  readonly content: Html;
}

/** Answers with a page that runs no script, shows in no frame and is kept by no cache. */
export function sendPage(ctx: PageContext, page: Page, options: PageOptions = {}): void {
  const formTargets = ["'self'", ...(options.formTargets ?? [])].join(' ');
  ctx.status = options.status ?? 200;
  ctx.type = 'text/html; charset=utf-8';
  ctx.set('Cache-Control', 'no-store');
  ctx.set(
    'Content-Security-Policy',
    `default-src 'none'; style-src 'self'; img-src 'self'; form-action ${formTargets}; base-uri 'none'; frame-ancestors 'none'`,
  );
  ctx.set('X-Content-Type-Options', 'nosniff');
  ctx.set('Referrer-Policy', 'same-origin');
  ctx.body = layout(page).text;
}

function layout({ title, content }: Page): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>${title} – Pixie Demo ID</title>
        <link rel="icon" type="image/svg+xml" href="/assets/id.svg" />
        <link rel="stylesheet" href="/assets/id.css" />
      </head>
      <body>
        <header class="whereabouts">
          <ol aria-label="Where you are">
            <li>Browser</li>
            <li>BFF</li>
            <li aria-current="location">Authorization server</li>
            <li>API</li>
          </ol>
        </header>
        <main>
          <p class="brand">
            <img src="/assets/id.svg" alt="" width="28" height="28" /> Pixie Demo ID
          </p>
          ${content}
        </main>
      </body>
    </html> `;
}
