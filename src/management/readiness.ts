import { setTimeout } from 'node:timers/promises';
import { reasonOf } from '../errors.ts';
import { probeProvider } from '../oauth/provider/probe.ts';
import type { Provider } from '../oauth/provider/provider.ts';
import type { Providers } from '../oauth/providers.ts';
import type { KeyValueStore } from '../session/store/key-value-store.ts';

/** One dependency's state. `reason` is for the operator and holds no secret. */
export interface Check {
  readonly status: 'ok' | 'unavailable';
  readonly reason?: string;
}

/**
 * What `/readyz` says. Without sessions nothing works; without a provider only new sign-ins do not.
 */
export interface Readiness {
  readonly status: 'ok' | 'degraded' | 'unavailable';
  readonly checks: Readonly<Record<string, Check>>;
}

/** How long a dependency may take to answer, in milliseconds. A probe waits no longer. */
const patience = 1700;

/** Asks every dependency at once. Never throws, and answers within two seconds. */
export async function readiness(
  { store, storeName }: { readonly store: KeyValueStore; readonly storeName: string },
  { all }: Providers,
): Promise<Readiness> {
  const [sessions, ...signIns] = await Promise.all([
    check(store.ping()),
    ...all.map((provider) => check(mayServe(provider))),
  ]);
  const named = all.map(({ id }, index) => [`provider:${id}`, signIns[index]] as const);
  return {
    status: verdict(sessions, signIns),
    checks: Object.fromEntries([[storeName, sessions] as const, ...named]) as Record<string, Check>,
  };
}

function verdict(sessions: Check, signIns: readonly Check[]): Readiness['status'] {
  if (sessions.status !== 'ok') return 'unavailable';
  return signIns.every(({ status }) => status === 'ok') ? 'ok' : 'degraded';
}

/**
 * What is known of a provider serves for long after it has gone, so it is asked whether it is there
 * as well.
 */
async function mayServe(provider: Provider): Promise<void> {
  // A little later than we look away, so that what is said is that there was no answer.
  const signal = AbortSignal.timeout(patience + 100);
  await Promise.all([provider.configuration(), probeProvider(provider, signal)]);
}

async function check(answer: Promise<unknown>): Promise<Check> {
  const tooLate: Check = { status: 'unavailable', reason: `no answer within ${patience} ms` };
  const answered = answer.then(
    () => ({ status: 'ok' }) as const,
    (error: unknown) => ({ status: 'unavailable', reason: reasonOf(error) }) as const,
  );
  return Promise.race([answered, setTimeout(patience, tooLate, { ref: false })]);
}
