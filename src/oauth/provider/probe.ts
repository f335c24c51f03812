import type { CustomFetch } from 'openid-client';
import type { ProviderOptions } from '../../config/options.ts';
import { outageBehind } from '../errors.ts';

/** The part of a provider that a probe uses. */
export interface ProbedProvider {
  readonly options: Pick<ProviderOptions, 'type' | 'issuer' | 'tokenEndpoint'>;
  readonly fetch: CustomFetch;
}

/**
 * Checks whether a provider responds now, without any cache. Requests its metadata (OIDC Discovery
 * §4) and ignores the content. For a provider without OpenID Connect any response is enough. Throws
 * `provider_unavailable`.
 */
export async function probeProvider(provider: ProbedProvider, signal: AbortSignal): Promise<void> {
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
  { options: { tokenEndpoint = '' }, fetch }: ProbedProvider,
  signal: AbortSignal,
): Promise<void> {
  const request = { method: 'HEAD', headers: {}, body: undefined, redirect: 'manual' } as const;
  try {
    await fetch(tokenEndpoint, { ...request, signal });
  } catch (error) {
    const { status = 503 } = outageBehind(error) ?? {};
    if (status >= 500) throw error;
  }
}
