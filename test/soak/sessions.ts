import { TestBrowser } from '../support/browser/browser.ts';
import { waitFor } from '../support/time/wait-for.ts';
import type { Fleet } from './fleet.ts';
import { type Backends, refreshes } from './backends.ts';

/** A signed-in browser's cookie. */
export interface SignedIn {
  readonly cookie: string;
  /** From when on every replica takes its access token for expired, in epoch milliseconds. */
  expiredAt: number;
}

/** A browser at one of the replicas. */
export function browserAt({ publicUrl, replicas }: Fleet, number = 0): TestBrowser {
  const replica = replicas[number % replicas.length];
  return new TestBrowser({ origin: publicUrl }).via(replica?.port ?? 0);
}

/** Goes through a sign-in. Throws when nobody is signed in after it. */
export async function signIn(
  { publicUrl }: Fleet,
  backends: Backends,
  browser: TestBrowser,
): Promise<SignedIn> {
  const page = await browser.navigate(`${publicUrl}/bff/login`);
  const cookie = browser.cookies().find(({ name }) => name === 'bff');
  if (!cookie) throw new Error(`Nobody is signed in: ${page.status} ${page.url}\n${page.body}`);
  return {
    cookie: `${cookie.name}=${cookie.value}`,
    expiredAt: Date.now() + backends.lifetimeSeconds * 1000,
  };
}

/** So many sessions, each of a browser of its own. */
export async function signInMany(
  fleet: Fleet,
  backends: Backends,
  count: number,
): Promise<readonly SignedIn[]> {
  const sessions: SignedIn[] = [];
  for (let number = 0; number < count; number += 1) {
    sessions.push(await signIn(fleet, backends, browserAt(fleet, number)));
  }
  return sessions;
}

/** Waits until a session's access token has expired. */
export async function untilExpired({ expiredAt }: SignedIn): Promise<void> {
  await waitFor(() => Date.now() > expiredAt, { timeout: 120_000 });
}

/**
 * Takes note of the session's last refresh: the lifetime counts from no later than its arrival at
 * the provider.
 */
export function noteRefresh(session: SignedIn, backends: Backends): void {
  const last = refreshes(backends).at(-1);
  if (last) session.expiredAt = last.time + backends.lifetimeSeconds * 1000;
}
