import { createClient } from 'redis';
import type { TestBff } from '../support/bff/bff.ts';
import type { TestBrowser, Page } from '../support/browser/browser.ts';

/** Headers of a client that is no browser and wants JSON. */
export const asProgram = {
  accept: 'application/json',
  'sec-fetch-mode': null,
  'sec-fetch-dest': null,
  'sec-fetch-site': null,
} as const;

/**
 * A login that was begun: the answer of the login endpoint, and the authorization request it leads
 * to.
 */
export async function beginLogin(
  bff: TestBff,
  browser: TestBrowser,
  parameters: Record<string, string> | string = {},
): Promise<{ readonly page: Page; readonly request: URL }> {
  const query = new URLSearchParams(parameters);
  const page = await browser.navigate(`${bff.url}/bff/login?${query}`, { redirect: 'manual' });
  return { page, request: new URL(page.headers.get('location') ?? 'about:blank', page.url) };
}

/**
 * Goes on from an authorization request to where the authorization server sends the browser back,
 * and says where.
 */
export async function untilCallback(
  bff: TestBff,
  browser: TestBrowser,
  parameters: Record<string, string> = {},
): Promise<URL> {
  let next = (await beginLogin(bff, browser, parameters)).request;
  while (!next.href.startsWith(`${bff.url}/bff/callback`)) {
    const page = await browser.navigate(next.href, { redirect: 'manual' });
    const location = page.headers.get('location');
    if (!location) throw new Error(`The sign-in stopped at ${page.status} ${page.url}`);
    next = new URL(location, page.url);
  }
  return next;
}

/** Visits a callback address as a browser does that comes from the authorization server. */
export function visitCallback(bff: TestBff, browser: TestBrowser, callback: URL): Promise<Page> {
  const from = bff.authorizationServer.issuer;
  return browser.navigate(callback.href, { from, redirect: 'manual' });
}

/** The callback address with other parameters; null takes one away. */
export function changed(callback: URL, changes: Record<string, string | null>): URL {
  const url = new URL(callback);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url;
}

/** The code of an error, whether it came as JSON or as a page. */
export function errorCode({ body }: { readonly body: string }): string | undefined {
  return /"code":"(\w+)"/.exec(body)?.[1] ?? /· (\w+) ·/.exec(body)?.[1];
}

/** Who `/bff/user` says is signed in; undefined when it is nobody. */
export async function whoIs(browser: TestBrowser, query = ''): Promise<string | undefined> {
  const response = await browser.fetch(`/bff/user${query}`);
  const user = (await response.json()) as { sub?: string };
  return response.status === 200 ? user.sub : undefined;
}

/** The keys in Redis of one kind, `session` or `login`. */
export async function keysOf(bff: TestBff, kind: 'session' | 'login'): Promise<string[]> {
  const { keyPrefix } = bff.redis;
  return [...(await bff.redis.dump()).keys()].filter((key) => key.startsWith(keyPrefix + kind));
}

/** How long each key of one kind still lives, in milliseconds. */
export async function timesToLive(bff: TestBff, kind: 'session' | 'login'): Promise<number[]> {
  const client = createClient({ url: bff.redis.url });
  await client.connect();
  const keys = await keysOf(bff, kind);
  const times = await Promise.all(keys.map((key) => client.pTTL(key)));
  await client.close();
  return times;
}

/** Every `Set-Cookie` line as its parts, sorted, with the value and the dates left out. */
export function cookieLines(page: Page): string[] {
  const lines = page.history.at(-1)?.setCookie ?? [];
  return lines.map((line) => {
    const [pair = '', ...attributes] = line.split('; ');
    const kept = attributes.filter((attribute) => !attribute.startsWith('Expires='));
    return [pair.split('=')[0], ...kept.toSorted()].join('; ');
  });
}

/** Signs out by a request of the page, and expects that it succeeds. */
export async function logOut(browser: TestBrowser): Promise<void> {
  expect((await browser.fetch('/bff/logout', { method: 'POST' })).status).toBe(200);
}
