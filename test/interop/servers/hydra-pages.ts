import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { closeServer, listen } from '../../support/upstream/upstream.ts';

const personsClaims = { name: 'Alice Adams', email: 'alice@example.com', email_verified: true };

/**
 * Hydra's questions to its login-and-consent application, by the parameter that brings the
 * challenge.
 */
const endpoints = {
  '/login': { parameter: 'login_challenge', request: 'login' },
  '/consent': { parameter: 'consent_challenge', request: 'consent' },
  '/logout': { parameter: 'logout_challenge', request: 'logout' },
} as const;

interface Challenge {
  /** The person is known already. */
  readonly skip?: boolean;
  readonly requested_scope?: readonly string[];
  /** An application asked, and showed an ID token: then there is nothing to ask the person. */
  readonly rp_initiated?: boolean;
}

/**
 * The pages Hydra leaves to others: who are you, may this application, and do you want to sign out.
 */
export class HydraPages {
  readonly #server = createServer((request, response) => {
    this.#respond(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  /** Where Hydra's administration is. Must be set before anybody asks. */
  adminUrl = '';
  url = '';

  async open(): Promise<this> {
    const { port } = await listen(this.#server, 0);
    this.url = `http://127.0.0.1:${port}`;
    return this;
  }

  close(): Promise<void> {
    return closeServer(this.#server);
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const endpoint = endpoints[url.pathname as keyof typeof endpoints];
    if (!endpoint) return void response.writeHead(404).end();
    const challenge = url.searchParams.get(endpoint.parameter) ?? '';
    const form = new URLSearchParams(await text(request));
    const pending = await this.#admin<Challenge>('GET', endpoint.request, '', challenge);
    if (!isAccepted(url.pathname, pending, form)) return showForm(response, url);
    const decision = decisionFor(url.pathname, pending);
    const { redirect_to: next } = await this.#admin<{ redirect_to: string }>(
      'PUT',
      endpoint.request,
      '/accept',
      challenge,
      decision,
    );
    response.writeHead(303, { location: next }).end();
  }

  async #admin<T>(
    method: string,
    request: string,
    verb: string,
    challenge: string,
    body?: object,
  ): Promise<T> {
    const query = new URLSearchParams({ [`${request}_challenge`]: challenge });
    const address = `${this.adminUrl}/admin/oauth2/auth/requests/${request}${verb}?${query}`;
    const response = await fetch(address, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok)
      throw new Error(`Hydra responded with ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }
}

function isAccepted(path: string, request: Challenge, form: URLSearchParams): boolean {
  if (path === '/login') return request.skip === true || form.get('password') === 'pixie';
  if (path === '/logout') return request.rp_initiated === true || form.has('yes');
  return true;
}

function decisionFor(path: string, { requested_scope: scopes = [] }: Challenge): object {
  if (path === '/login') return { subject: 'alice', remember: true, remember_for: 3600 };
  if (path === '/logout') return {};
  return { grant_scope: scopes, session: { id_token: personsClaims } };
}

function showForm(response: ServerResponse, { pathname, search }: URL): void {
  const field =
    pathname === '/login' ? 'name="password" type="password"' : 'name="yes" type="submit"';
  const form = `<form method="post" action="${pathname}${search.replaceAll('&', '&amp;')}"><input ${field}></form>`;
  response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html>${form}`);
}
