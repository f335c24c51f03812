import { TestBrowser } from '../test/support/browser/browser.ts';
import { freePort } from '../test/support/network/ports.ts';
import type { Child } from './child.ts';
import type { Backends } from './backends.ts';

/**
 * A way to write sessions as if many people had signed in: gives back a `Cookie` header for each.
 */
export type SessionWriter = (howMany: number, signedInCookie: string) => Promise<string[]>;

/** How one proxy is started, and how one signs in to it. */
export interface Recipe {
  readonly name: string;
  readonly title: string;
  /** Why it cannot be run on this machine. Absent: it can. */
  readonly missing?: () => string | undefined;
  readonly start: (backends: Backends, port: number) => Promise<Child>;
  /** Where a sign-in begins. Absent: the proxy knows no sessions. */
  readonly loginPath?: string;
  readonly redirectPath?: string;
  /** How it authenticates at the token endpoint. Absent: `client_secret_basic`. */
  readonly clientAuth?: 'client_secret_post';
  readonly writeSessions?: (backends: Backends, contender: Contender) => SessionWriter;
}

/** A running proxy, with the headers of a signed-in browser. */
export interface Contender {
  readonly recipe: Recipe;
  readonly name: string;
  readonly port: number;
  readonly child: Child;
  readonly headers: Readonly<Record<string, string>>;
}

/** The client of a proxy at the authorization server; one that is started again is another one. */
export function clientIdOf(recipe: string, port: number): string {
  return `bench-${recipe}-${port}`;
}

/**
 * Starts a proxy and signs in to it; throws when a signed-in call does not reach the API with an
 * access token.
 */
export async function startContender(recipe: Recipe, backends: Backends): Promise<Contender> {
  const port = await freePort();
  const origin = originOf(port);
  if (recipe.redirectPath) {
    backends.authorizationServer.registerClient({
      client_id: clientIdOf(recipe.name, port),
      redirect_uris: [origin + recipe.redirectPath],
      ...(recipe.clientAuth && { token_endpoint_auth_method: recipe.clientAuth }),
    });
  }
  const child = await recipe.start(backends, port);
  try {
    const cookie = recipe.loginPath ? await signIn(recipe.loginPath, port) : '';
    const headers = headersOf(port, cookie);
    return { recipe, name: recipe.name, port, child, headers };
  } catch (error) {
    await child.close();
    throw error;
  }
}

/**
 * Does something with a proxy that has just been started and done nothing yet: its memory has no
 * room left over.
 */
export async function withFresh(
  recipe: Recipe,
  backends: Backends,
  use: (contender: Contender) => Promise<void>,
): Promise<void> {
  const contender = await startContender(recipe, backends);
  try {
    await use(contender);
  } finally {
    await contender.child.close();
  }
}

/** The address browsers know a proxy by. */
export function originOf(port: number): string {
  return `http://localhost:${port}`;
}

/** What every call carries: the headers of a script of the proxy's own page. */
export function headersOf(port: number, cookie: string): Record<string, string> {
  return { Host: `localhost:${port}`, 'X-CSRF': '1', ...(cookie && { Cookie: cookie }) };
}

/**
 * Signs in with a new browser, all redirects followed, and gives back the cookie of the session.
 */
export async function signIn(loginPath: string, port: number): Promise<string> {
  const browser = new TestBrowser({ origin: originOf(port), redirectChains: 'ignore' });
  const page = await browser.navigate(loginPath);
  const response = await browser.fetch(`${originOf(port)}/api/token`);
  const text = await response.text();
  if (text !== '{"token":true}') {
    const way = page.history.map(({ status, url }) => `${status} ${url}`).join('\n');
    throw new Error(`the sign-in ended with ${response.status} ${text.slice(0, 200)}\n${way}`);
  }
  // Servers that are to take thousands of sign-ins have only so many connections.
  browser.close();
  return browser.cookieHeader('/api/hello');
}
