import type { Provider } from './provider.ts';

/**
 * Whether a provider answers now, whatever was learned from it before: its metadata are asked for (OIDC Discovery §4) and
 * not looked at. Throws `provider_unavailable`.
 */
export async function probeProvider(
  { options, fetch }: Provider,
  signal: AbortSignal,
): Promise<void> {
  const address = `${options.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  await fetch(address, {
    method: 'GET',
    headers: { accept: 'application/json' },
    body: undefined,
    redirect: 'manual',
    signal,
  });
}
