import { setTimeout } from 'node:timers/promises';
import type { Providers } from '../oauth/providers.ts';
import type { KeyValueStore } from '../session/key-value-store.ts';

/** One dependency's state. `reason` is for the operator and holds no secret. */
export interface Check {
  readonly status: 'ok' | 'unavailable';
  readonly reason?: string;
}

/** What `/readyz` says (contract §8). Without sessions nothing works; without a provider only new sign-ins do not. */
export interface Readiness {
  readonly status: 'ok' | 'degraded' | 'unavailable';
  readonly checks: Readonly<Record<string, Check>>;
}

/** How long a dependency may take to answer, in milliseconds. A probe waits no longer. */
const patience = 1800;

/** Asks every dependency at once. Never throws, and answers within two seconds. */
export async function readiness(
  store: KeyValueStore,
  storeName: 'redis' | 'memory',
  providers: Providers,
): Promise<Readiness> {
  const [sessions, ...logins] = await Promise.all([
    check(store.ping()),
    ...providers.all.map((provider) => check(provider.configuration())),
  ]);
  const named = providers.all.map((provider, n) => [`provider:${provider.id}`, logins[n]]);
  const checks = Object.fromEntries([[storeName, sessions], ...named]) as Record<string, Check>;
  const isDegraded = logins.some(({ status }) => status !== 'ok');
  const status = sessions.status === 'ok' ? (isDegraded ? 'degraded' : 'ok') : 'unavailable';
  return { status, checks };
}

async function check(answer: Promise<unknown>): Promise<Check> {
  const tooLate: Check = { status: 'unavailable', reason: `no answer within ${patience} ms` };
  const answered = answer.then(
    () => ({ status: 'ok' }) as const,
    (error: unknown) => ({ status: 'unavailable', reason: reasonOf(error) }) as const,
  );
  return Promise.race([answered, setTimeout(patience, tooLate, { ref: false })]);
}

/** The innermost message says what really happened. */
function reasonOf(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error)
    innermost = innermost.cause;
  return innermost instanceof Error ? innermost.message || innermost.name : String(innermost);
}
