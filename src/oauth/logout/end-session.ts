import { buildEndSessionUrl, tokenRevocation } from 'openid-client';
import { presetOf } from '../../config/presets/presets.ts';
import { toBffError } from '../errors.ts';
import { revokeByDelete } from '../non-oidc/revocation.ts';
import type { Provider } from '../provider/provider.ts';
import type { TokenSet } from '../tokens/token-set.ts';

/** The parameters of a logout request to the authorization server. */
export interface EndSessionRequest {
  readonly idToken?: string | undefined;
  readonly postLogoutRedirectUri: string;
  readonly state: string;
}

/**
 * Builds the URL that signs the user out at the authorization server (OIDC RP-Initiated Logout §2).
 * `undefined` if the provider has no such endpoint. Throws `provider_unavailable`.
 */
export async function endSessionUrl(
  provider: Provider,
  request: EndSessionRequest,
): Promise<URL | undefined> {
  const configuration = await provider.configuration();
  if (!configuration.serverMetadata().end_session_endpoint) return undefined;
  return buildEndSessionUrl(configuration, {
    ...(request.idToken && { id_token_hint: request.idToken }),
    post_logout_redirect_uri: request.postLogoutRedirectUri,
    state: request.state,
  });
}

/**
 * Revokes the refresh token, which also ends its access tokens. Revokes the access token if there
 * is no refresh token (RFC 7009 §2.1). Does nothing if the provider has no revocation endpoint.
 * Throws if the provider fails.
 */
export async function revokeTokens(provider: Provider, tokens: TokenSet): Promise<void> {
  const { accessToken, refreshToken } = tokens;
  if (!refreshToken) return revokeAccessToken(provider, tokens);
  await revoke(provider, refreshToken, 'refresh_token', accessToken);
}

/**
 * Revokes the access token only. The other tokens of the grant usually stay valid, although a
 * server may revoke them too (RFC 7009 §2.1). Throws if the provider fails.
 */
export async function revokeAccessToken(
  provider: Provider,
  { accessToken }: TokenSet,
): Promise<void> {
  await revoke(provider, accessToken, 'access_token', accessToken);
}

async function revoke(
  provider: Provider,
  token: string,
  hint: 'refresh_token' | 'access_token',
  accessToken: string,
): Promise<void> {
  const configuration = await provider.configuration();
  if (!configuration.serverMetadata().revocation_endpoint) return;
  try {
    if (presetOf(provider.options)?.revokesByDelete)
      return await revokeByDelete(configuration, provider.options, accessToken);
    await tokenRevocation(configuration, token, { token_type_hint: hint });
  } catch (error) {
    throw toBffError(error);
  }
}
