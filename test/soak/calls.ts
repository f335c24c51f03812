import assert from 'node:assert/strict';
import type { Fleet, Replica } from './fleet.ts';

/** How the calls of a round ended: how many with which status, and how many without one. */
export interface Tally {
  readonly outcomes: ReadonlyMap<number | string, number>;
  /** From the first call to the last answer. */
  readonly milliseconds: number;
}

/** How a call may differ from a `GET /api/x`. */
export interface CallOptions {
  readonly path?: string;
  readonly signal?: AbortSignal;
}

/**
 * One call of the API through a replica: its status. Throws when there is no answer, or one of a
 * server in trouble.
 */
export async function call(
  { pool }: Replica,
  cookie: string,
  { path = '/api/x', signal }: CallOptions = {},
): Promise<number> {
  const { statusCode, body } = await pool.request({
    method: 'GET',
    path,
    headers: { cookie, 'x-csrf': '1' },
    signal: signal ?? null,
  });
  if (statusCode >= 500) throw new Error(`${statusCode} ${codeIn(await body.text())}`);
  await body.dump();
  return statusCode;
}

/** A call that is made once more elsewhere if its replica dies meanwhile. */
export async function persistentCall(
  fleet: Fleet,
  replica: Replica,
  cookie: string,
): Promise<number> {
  try {
    return await call(replica, cookie);
  } catch (error) {
    if (replica.isAlive) throw error;
    return persistentCall(fleet, fleet.insteadOf(replica), cookie);
  }
}

/**
 * A call whose client hangs up at some moment within its patience, in milliseconds, if it has no
 * answer by then.
 */
export async function callWithTimeout(
  replica: Replica,
  cookie: string,
  { path, timeoutMilliseconds }: { readonly path: string; readonly timeoutMilliseconds: number },
): Promise<number | 'hung up'> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), Math.random() * timeoutMilliseconds);
  try {
    return await call(replica, cookie, { path, signal: abort.signal });
  } catch (error) {
    if (abort.signal.aborted) return 'hung up';
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Makes so many calls at once, and waits for the end of them all. */
export async function burst(
  count: number,
  make: (number: number) => Promise<number | string>,
): Promise<Tally> {
  const start = performance.now();
  const calls = Array.from({ length: count }, (_, number) => make(number).catch(reasonOf));
  const outcomes = new Map<number | string, number>();
  for (const outcome of await Promise.all(calls)) {
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  return { outcomes, milliseconds: performance.now() - start };
}

/** Throws unless every call ended like this, with a sentence that says how the others did. */
export function assertAll({ outcomes }: Tally, ...expected: readonly (number | string)[]): void {
  const isExpected = [...outcomes.keys()].every((outcome) => expected.includes(outcome));
  assert(isExpected, `not every call was ${expected.join(' or ')}: ${describe(outcomes)}`);
}

/** `1000 × 200`, `500 × 200, 500 × hung up`. */
export function describe(outcomes: Tally['outcomes']): string {
  return [...outcomes].map(([outcome, count]) => `${count} × ${outcome}`).join(', ');
}

function codeIn(problem: string): string {
  return /"code":"(\w+)"/.exec(problem)?.[1] ?? 'without a code';
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return `${code ?? ''} ${message}`.trim();
}
