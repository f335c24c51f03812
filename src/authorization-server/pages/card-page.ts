import { escapeHtml, pagePolicy, renderPage } from '../../http/html-page.ts';

/** A page of the authorization server: one card in the middle, without scripts. */
export interface CardPage {
  readonly title: string;
  /** HTML. The caller must escape all untrusted text in it. */
  readonly body: string;
  /** The CSP sources that the page's form may be sent and redirected to, by default none. */
  readonly formTargets?: string;
}

/** A rendered page and the headers that it needs. */
export interface RenderedPage {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

const style = `
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif;
  --ink: #1a1d23; --dim: #565d69; --paper: #f3f4f6; --card: #fff; --line: #8b93a1;
  --rule: #dcdfe5; --mark: #1f4fd8; --on-mark: #fff; --bad: #a61b1b; --bad-paper: #fdf0ef;
  --good: #176b3a }
@media (prefers-color-scheme: dark) { :root {
  --ink: #eef0f3; --dim: #a9b1be; --paper: #14161a; --card: #1e2127; --line: #737c8a;
  --rule: #363b44; --mark: #8fb1ff; --on-mark: #10141c; --bad: #ffb4ab; --bad-paper: #3a2022;
  --good: #7fd6a0 } }
@media (prefers-contrast: more) { :root {
  --dim: var(--ink); --line: var(--ink); --rule: var(--ink) } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem 1rem;
  color: var(--ink); background: var(--paper) }
main { width: min(26rem, 100%); padding: 2rem; border-radius: 1rem; background: var(--card);
  box-shadow: 0 1px 2px #0003, 0 8px 32px #0000001a; overflow-wrap: anywhere }
@media (max-width: 26rem) { main { padding: 1.5rem } }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; text-wrap: balance }
h2 { margin: 0; font-size: 1rem; font-weight: 600 }
p { margin: .5rem 0 0 }
.dim { color: var(--dim) }
.small { font-size: .875rem }
.part { margin-top: 1.5rem }
.account { display: grid; grid-template-columns: auto 1fr; gap: .125rem .875rem;
  align-items: center; padding: .875rem 1rem; border: 1px solid var(--rule);
  border-radius: .75rem }
.account > span { grid-row: span 2; display: grid; place-items: center; width: 2.5rem;
  height: 2.5rem; border-radius: 50%; color: var(--card); background: var(--dim);
  font-weight: 600 }
.account > p { margin: 0; line-height: 1.35 }
.account a { align-self: start; justify-self: start }
dl { margin: 0; display: grid; gap: .5rem 1rem; grid-template-columns: auto 1fr }
dt { color: var(--dim) }
dd { margin: 0; font-weight: 600 }
ul { margin: .375rem 0 0; padding: 0 0 0 1.25rem }
li::marker { color: var(--dim) }
form { display: grid; gap: .875rem }
label { margin-bottom: -.5rem }
.pair { grid-template-columns: 1fr 1fr }
label { font-weight: 600 }
input { width: 100%; padding: .625rem .75rem; border: 1px solid var(--line);
  border-radius: .625rem; color: inherit; background: transparent; text-align: center;
  font: 600 1.5rem/1.4 ui-monospace, monospace; letter-spacing: .1em;
  text-transform: uppercase }
::placeholder { color: var(--dim); opacity: 1 }
input[aria-invalid] { border-color: var(--bad) }
button, .button { display: grid; place-items: center; min-height: 2.75rem; width: 100%;
  padding: .5rem 1rem; border: 1px solid var(--line); border-radius: .625rem; cursor: pointer;
  color: inherit; background: transparent; font: inherit; font-weight: 600; text-decoration: none }
.main { border-color: var(--mark); color: var(--on-mark); background: var(--mark) }
button:hover, .button:hover { border-color: var(--mark);
  background: color-mix(in srgb, var(--mark) 8%, transparent) }
.main:hover { background: color-mix(in srgb, var(--mark) 88%, var(--ink)) }
a { color: var(--mark) }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px }
.code { margin: 1rem 0 0; padding: .75rem; border-radius: .75rem; background: var(--paper);
  text-align: center; font: 600 1.75rem/1.4 ui-monospace, monospace; letter-spacing: .08em }
.alert { padding: .75rem 1rem; border-left: 4px solid var(--bad); border-radius: .5rem;
  background: var(--bad-paper) }
.alert strong { display: block; color: var(--bad) }
.sign { display: grid; place-items: center; width: 3rem; height: 3rem; margin: 0 0 1rem;
  border: 2px solid; border-radius: 50%; font-size: 1.5rem; line-height: 1; color: var(--dim) }
.sign.good { color: var(--good) }`;

/** Renders a page of the authorization server. */
export function renderCardPage({ title, body, formTargets }: CardPage): RenderedPage {
  const plainTitle = title.replace(/\p{Bidi_Control}/gu, '');
  const html = renderPage({ title: plainTitle, style, body: `<main>\n${body}\n</main>` });
  const headers = {
    'Content-Security-Policy': pagePolicy(style, formTargets),
    // With `no-referrer`, the `Origin` of the form would be `null`.
    'Referrer-Policy': 'same-origin',
    'Cache-Control': 'no-store',
  };
  return { html, headers };
}

/**
 * Renders text that a client or a user chose: escaped, at most `most` characters, and with its own
 * writing direction, so that it cannot rearrange the text around it.
 */
export function foreignText(text: string, most = 60): string {
  return `<bdi>${escapeHtml(shortened(text, most))}</bdi>`;
}

/** Cuts text after `most` characters and adds an ellipsis. Never cuts a character in two. */
export function shortened(text: string, most: number): string {
  const characters = Array.from(text.slice(0, 2 * most + 2));
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : text;
}
