import { outageBehind } from '../errors.ts';
import type { Provider } from './provider.ts';

/**
 * Whether a provider answers now, whatever was learned from it before: its metadata are asked for
 * (OIDC Discovery §4) and not looked at. A plain OAuth 2 service has none; there it is enough that
 * something answers. Throws `provider_unavailable`.
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
