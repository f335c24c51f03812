import type { Response } from 'express';
import type { ProviderChoice } from './provider-choices.ts';
import { escapeHtml, pagePolicy, renderPage } from '../../http/html-page.ts';

const style = `
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif;
  --ink: #1a1d23; --dim: #565d69; --paper: #f3f4f6;
  --card: #fff; --line: #8b93a1; --mark: #1f4fd8 }
@media (prefers-color-scheme: dark) { :root {
  --ink: #eef0f3; --dim: #a9b1be; --paper: #14161a;
  --card: #1e2127; --line: #737c8a; --mark: #8fb1ff } }
@media (prefers-contrast: more) { :root { --dim: var(--ink); --line: var(--ink) } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  box-sizing: border-box; color: var(--ink); background: var(--paper) }
main { width: min(24rem, 100%); box-sizing: border-box; padding: 2rem; border-radius: 1rem;
  background: var(--card); box-shadow: 0 1px 2px #0003, 0 8px 32px #0000001a }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25 }
p { margin: .25rem 0 0; color: var(--dim); overflow-wrap: anywhere }
ul { list-style: none; margin: 1.5rem 0 0; padding: 0; display: grid; gap: .75rem }
a { display: flex; align-items: center; gap: .875rem; min-height: 2.75rem;
  padding: .375rem .875rem; border: 1px solid var(--line); border-radius: .625rem;
  color: inherit; text-decoration: none; font-weight: 600; overflow-wrap: anywhere }
a:hover { border-color: var(--mark); background: color-mix(in srgb, var(--mark) 8%, transparent) }
a:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px }
span { flex: none; display: grid; place-items: center; width: 1.75rem; height: 1.75rem;
  border-radius: 50%; color: var(--card); background: var(--dim); font-size: .875rem }`;

/** The `Content-Security-Policy` of the page. */
const chooserPagePolicy = pagePolicy(style);

/**
 * Renders the page on which users choose a provider. It consists of links, which work with a
 * keyboard and without scripts.
 */
function renderChooserPage(host: string, choices: readonly ProviderChoice[]): string {
  const items = choices.map(({ name, loginUrl }) => {
    const [initial = ''] = name;
    const mark = `<span aria-hidden="true">${escapeHtml(initial.toUpperCase())}</span>`;
    const label = `${mark}Continue with ${escapeHtml(name)}`;
    return `<li><a href="${escapeHtml(loginUrl)}">${label}</a></li>`;
  });
  const body = `<main>
<h1>Sign in</h1>
<p>to ${escapeHtml(host)}</p>
<ul>
${items.join('\n')}
</ul>
</main>`;
  return renderPage({ title: `Sign in to ${host}`, style, body });
}

/** Sends the page. `publicUrl` is the application that the user signs in to. */
export function sendChooserPage(
  response: Response,
  publicUrl: string,
  choices: readonly ProviderChoice[],
): void {
  response.setHeader('Content-Security-Policy', chooserPagePolicy);
  response.type('html').send(renderChooserPage(new URL(publicUrl).host, choices));
}
