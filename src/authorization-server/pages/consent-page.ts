import type { Response } from 'express';
import { isLoopbackRedirect } from '../../config/values/redirect-uri.ts';
import { escapeHtml } from '../../http/html-page.ts';
import type { Claims } from '../../oauth/login/claims.ts';
import type { RequestingClient } from '../authorization-server.ts';
import { foreignText, type RenderedPage, renderCardPage, shortened } from './card-page.ts';

/** What the consent page shows. */
export interface ConsentPage {
  readonly client: RequestingClient;
  /** The address that receives the code. `undefined` in the device grant. */
  readonly redirectUri: string | undefined;
  readonly scopes: readonly string[];
  /** The claims of the user who has signed in. */
  readonly claims: Claims;
  /** The public origin of the BFF. */
  readonly publicUrl: string;
  /** The path of the page, which its form is sent to. */
  readonly action: string;
  /** The secret that the form repeats. */
  readonly formToken: string;
}

/** Sends the page on which a user allows or denies a client access. */
export function sendConsentPage(response: Response, page: ConsentPage): void {
  const { html, headers } = renderConsentPage(page);
  response.set(headers).type('html').send(html);
}

/**
 * Renders the consent page: which client asks, where it returns to, who is signed in, and what it
 * asks for. It has one form and no script.
 */
export function renderConsentPage(page: ConsentPage): RenderedPage {
  const { client, redirectUri, scopes, publicUrl, action, formToken } = page;
  const body = `<h1>${foreignText(client.name, 40)} asks to use your account</h1>
<p class="dim">at ${escapeHtml(new URL(publicUrl).host)}</p>
${accountPart(page)}
${factsPart(client, redirectUri)}
${scopesPart(scopes)}<form class="part pair" method="post" action="${escapeHtml(action)}">
<input type="hidden" name="token" value="${escapeHtml(formToken)}">
<button class="main" name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button>
</form>
<p class="dim small part">You can end this access at any time in the list of your sessions.</p>`;
  return renderCardPage({
    title: `${shortened(client.name, 40)} asks to use your account`,
    body,
    formTargets: formTargets(redirectUri),
  });
}

function accountPart({ claims, action }: ConsentPage): string {
  const user = userOf(claims);
  const [initial = ''] = user;
  return `<div class="part account">
<span aria-hidden="true">${escapeHtml(initial.toUpperCase())}</span>
<p><span class="dim small">Signed in as</span><br><strong>${foreignText(user)}</strong></p>
<a class="small" href="${escapeHtml(action)}?account=other">Use another account</a>
</div>`;
}

/** The name of the user, or what comes closest to one. */
function userOf(claims: Claims): string {
  const names = ['email', 'name', 'preferred_username', 'sub'].map((claim) => claims[claim]);
  const known = names.find((name) => typeof name === 'string' && name.trim() !== '');
  return typeof known === 'string' ? known.trim() : 'an account without a name';
}

function factsPart({ id }: RequestingClient, redirectUri: string | undefined): string {
  const [label, place] = destinationOf(redirectUri);
  const facts = [`<dt>${label}</dt><dd>${place}</dd>`];
  const host = documentHostOf(id);
  if (host === undefined) return `<dl class="part">\n${facts.join('\n')}\n</dl>`;
  facts.unshift(`<dt>Published at</dt><dd><bdi>${escapeHtml(host)}</bdi></dd>`);
  return `<dl class="part">\n${facts.join('\n')}\n</dl>
<p class="dim small">It chose its name itself. Allow it only if you trust the address.</p>`;
}

/** Where the client gets its code: a label and HTML. */
function destinationOf(redirectUri: string | undefined): readonly [string, string] {
  if (redirectUri === undefined) return ['Used on', 'a device'];
  const url = new URL(redirectUri);
  if (isLoopbackRedirect(url)) return ['Returns to', 'this computer'];
  const { protocol, host } = url;
  // A host is never shortened: its end tells whose it is.
  if (protocol === 'https:') return ['Returns to', `<bdi>${escapeHtml(host)}</bdi>`];
  return ['Returns to', `the app ${foreignText(protocol.slice(0, -1), 100)}`];
}

/** The host of a client ID metadata document. `undefined` for a registered client. */
function documentHostOf(clientId: string): string | undefined {
  return /^https?:/.test(clientId) ? URL.parse(clientId)?.host : undefined;
}

function scopesPart(scopes: readonly string[]): string {
  if (scopes.length === 0) return '';
  const items = scopes.map((scope) => `<li>${foreignText(scope, 100)}</li>`);
  return `<h2 class="part">It asks for</h2>
<ul>
${items.join('\n')}
</ul>
`;
}

/**
 * Returns the CSP sources of the consent form. Chromium applies `form-action` to all redirects that
 * follow a form: also to that of a client which sends its user on, from its redirect URI to a page
 * that it has elsewhere. So every https page is allowed unless the client has a private scheme.
 */
function formTargets(redirectUri: string | undefined): string {
  if (redirectUri === undefined) return "'self'";
  const { protocol, hostname, origin } = new URL(redirectUri);
  if (protocol !== 'http:') return `'self' ${protocol}`;
  // An IPv6 address is no CSP source.
  return `'self' ${hostname === '127.0.0.1' ? origin : protocol} https:`;
}
