import type { Response } from 'express';
import { escapeHtml, pagePolicy, renderPage } from '../http/html-page.ts';
import type { Claims } from '../oauth/login/claims.ts';
import type { RequestingClient } from './authorization-server.ts';

interface ConsentPage {
  readonly client: RequestingClient;
  readonly redirectUri: string | undefined;
  readonly scopes: readonly string[];
  readonly claims: Claims;
  readonly action: string;
  readonly formToken: string;
}

const style = 'body { font: 100%/1.5 system-ui, sans-serif }';

/** Sends the consent page. */
export function sendConsentPage(response: Response, page: ConsentPage): void {
  const { client, scopes, action, formToken, redirectUri } = page;
  const body = `<main><h1>${escapeHtml(client.name)}</h1>
<p>${escapeHtml(scopes.join(' '))}</p>
<form method="post" action="${escapeHtml(action)}">
<input type="hidden" name="token" value="${escapeHtml(formToken)}">
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button>
</form></main>`;
  const target = redirectUri === undefined ? '' : ` ${new URL(redirectUri).protocol}`;
  const policy = pagePolicy(style).replace("form-action 'none'", `form-action 'self'${target}`);
  response.setHeader('Content-Security-Policy', policy);
  response.setHeader('Referrer-Policy', 'same-origin');
  response.type('html').send(renderPage({ title: client.name, style, body }));
}
