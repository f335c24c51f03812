import { fetchUserInfo, skipSubjectCheck } from 'openid-client';
import { toBffError } from '../errors.ts';
import { readNonOidcUser } from '../non-oidc/user.ts';
import { verifyingConfiguration } from '../provider/metadata.ts';
import type { Provider } from '../provider/provider.ts';
import type { TokenSet } from '../tokens/token-set.ts';
import { type Claims, withinLimits } from './claims.ts';

/** The result of reading UserInfo: claims, another user's claims, or no UserInfo endpoint. */
export type UserInfo =
  | { readonly kind: 'claims'; readonly claims: Claims }
  | { readonly kind: 'other_user' }
  | { readonly kind: 'none' };

/**
 * Reads the claims of an account again, from UserInfo or the user endpoint of an OAuth 2 provider.
 * The access token must be valid. Throws `provider_unavailable` or `login_failed`.
 */
export async function rereadUserInfo(
  provider: Provider,
  { sub, tokens }: { readonly sub: string; readonly tokens: TokenSet },
): Promise<UserInfo> {
  try {
    const found = await provider.whileAlive(request(provider, tokens));
    if (!found) return { kind: 'none' };
    // "The sub Claim in the UserInfo Response MUST be verified to exactly match the sub Claim in
    // the ID Token" (OIDC Core §5.3.2).
    if (found.sub !== sub) return { kind: 'other_user' };
    return { kind: 'claims', claims: withinLimits(found.claims) };
  } catch (error) {
    throw toBffError(error);
  }
}

async function request(
  provider: Provider,
  tokens: TokenSet,
): Promise<{ readonly sub: unknown; readonly claims: Claims } | undefined> {
  const configuration = await provider.discovered();
  if (provider.options.type === 'oauth2')
    return readNonOidcUser(configuration, provider.options, tokens);
  if (configuration.serverMetadata().userinfo_endpoint === undefined) return undefined;
  const dpop = provider.dpopOptions(configuration, tokens.dpopKey);
  const strict = verifyingConfiguration(configuration);
  const claims = await fetchUserInfo(strict, tokens.accessToken, skipSubjectCheck, dpop);
  return { sub: claims.sub, claims };
}
