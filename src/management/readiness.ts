import { reasonOf } from '../errors.ts';
import { withDeadline } from '../http/deadline.ts';
import { probeProvider } from '../oauth/provider/probe.ts';
import type { Provider } from '../oauth/provider/provider.ts';
import type { ProviderRegistry } from '../oauth/provider-registry.ts';
import type { KeyValueStore } from '../session/store/key-value-store.ts';

/** The state of a dependency. `reason` is for the operator and contains no secret. */
export interface Check {
  readonly status: 'ok' | 'unavailable';
  readonly reason?: string;
}

/**
 * The response of `/readyz`. Without the session store it is `unavailable`; without a provider only
 * new sign-ins fail, and it is `degraded`.
 */
export interface Readiness {
  readonly status: 'ok' | 'degraded' | 'unavailable';
  readonly checks: Readonly<Record<string, Check>>;
}

/** The timeout per dependency, in milliseconds. Shorter than the two seconds of `readiness`. */
const timeout = 1700;

/** Checks all dependencies in parallel. Never rejects, and resolves within two seconds. */
export async function readiness(
  { store, storeName }: { readonly store: KeyValueStore; readonly storeName: string },
  { all }: ProviderRegistry,
): Promise<Readiness> {
  const [sessions, ...signIns] = await Promise.all([
    check(store.ping()),
    ...all.map((provider) => check(checkProvider(provider))),
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
 * Checks that a provider can be reached. Its cached metadata stays valid after it becomes
 * unreachable, so a probe is sent as well.
 */
async function checkProvider(provider: Provider): Promise<void> {
  // Slightly longer than the timeout in `check`, which reports the reason of a missing response.
  const signal = AbortSignal.timeout(timeout + 100);
  await Promise.all([provider.configuration(), probeProvider(provider, signal)]);
}

async function check(probe: Promise<unknown>): Promise<Check> {
  const result = probe.then(
    (): Check => ({ status: 'ok' }),
    (error: unknown) => unavailable(reasonOf(error)),
  );
  return withDeadline(result, timeout, () => unavailable(`no response within ${timeout} ms`));
}

function unavailable(reason: string): Check {
  return { status: 'unavailable', reason };
}
