import { type Configuration, customFetch } from 'openid-client';
import type { ProviderOptions } from '../../config/options.ts';

/**
 * Revokes an access token as GitHub requires it: a `DELETE` request with the client's credentials
 * and the token as JSON.
 */
export async function revokeByDelete(
  configuration: Configuration,
  { clientId, clientSecret, revocationEndpoint }: ProviderOptions,
  accessToken: string,
): Promise<void> {
  if (!revocationEndpoint || !clientSecret) return;
  const credentials = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
  const response = await configuration[customFetch]?.(revocationEndpoint, {
    method: 'DELETE',
    headers: {
      authorization: `Basic ${credentials}`,
      'content-type': 'application/json',
      'user-agent': 'pixie-bff',
    },
    body: JSON.stringify({ access_token: accessToken }),
    redirect: 'manual',
  });
  // A token that no longer exists counts as revoked.
  const isGone = response?.status === 204 || response?.status === 404;
  if (!isGone) throw new Error(`DELETE ${revocationEndpoint} responded with ${response?.status}`);
}
