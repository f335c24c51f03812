import { outageBehind } from '../errors.ts';
import type { Provider } from './provider.ts';

/**
 * Checks whether a provider responds now, without any cache. Requests its metadata (OIDC Discovery
 * §4) and ignores the content. For a provider without OpenID Connect any response is enough. Throws
 * `provider_unavailable`.
 */
export async function probeProvider(provider: Provider, signal: AbortSignal): Promise<void> {
  const { options, fetch } = provider;
  if (options.type === 'oauth2') return probeTokenEndpoint(provider, signal);
  const address = `${options.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  await fetch(address, {
    method: 'GET',
    headers: { accept: 'application/json' },
    body: undefined,
    redirect: 'manual',
    signal,
  });
}

async function probeTokenEndpoint(
  { options: { tokenEndpoint = '' }, fetch }: Provider,
  signal: AbortSignal,
): Promise<void> {
  const question = { method: 'HEAD', headers: {}, body: undefined, redirect: 'manual' } as const;
  try {
    await fetch(tokenEndpoint, { ...question, signal });
  } catch (error) {
    const { status = 503 } = outageBehind(error) ?? {};
    if (status >= 500) throw error;
  }
}
