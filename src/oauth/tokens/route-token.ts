import { clientCredentialsGrant, genericGrantRequest } from 'openid-client';
import { BffError } from '../../errors.ts';
import { newDpopKey } from '../client/dpop.ts';
import type { Provider } from '../provider/provider.ts';
import {
  type RefreshOutcome,
  type RefreshSubject,
  refreshTokens,
  routeTokenFailure,
} from './refresh.ts';
import type { TokenPolicy } from './token-policy.ts';
import { readTokenSet, type TokenSet } from './token-set.ts';

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';

/**
 * Requests the user's access token for a policy. `resource` uses the refresh token, and the result
 * contains its successor. `exchange` returns the exchanged access token only.
 */
export async function fetchUserToken(
  provider: Provider,
  policy: TokenPolicy,
  subject: RefreshSubject,
  now: number,
  actorToken?: string,
): Promise<RefreshOutcome> {
  return policy.kind === 'exchange'
    ? exchangeToken(provider, policy, subject.tokens, now, actorToken)
    : refreshTokens(provider, subject, now, tokenParameters(policy));
}

/** Requests an access token for the client itself (RFC 6749 §4.4). */
export async function fetchClientToken(
  provider: Provider,
  policy: TokenPolicy,
  now: number,
): Promise<RefreshOutcome> {
  try {
    const configuration = await provider.discovered();
    const dpopKey = provider.options.dpop ? newDpopKey() : undefined;
    const response = await clientCredentialsGrant(
      configuration,
      tokenParameters(policy),
      provider.dpopOptions(configuration, dpopKey),
    );
    // "A refresh token SHOULD NOT be included" (§4.4.3). The client can always request a new token.
    const { refreshToken: _, ...tokens } = readTokenSet(response, now, dpopKey && { dpopKey });
    return { kind: 'refreshed', tokens };
  } catch (error) {
    return routeTokenFailure(error);
  }
}

/**
 * Exchanges the access token of a user or of a client that called with one (RFC 8693 §2.1). With a
 * DPoP key, the new token is bound to that key. The outcome is never `ended`.
 */
export async function exchangeToken(
  provider: Provider,
  policy: TokenPolicy,
  { accessToken, dpopKey }: Pick<TokenSet, 'accessToken' | 'dpopKey'>,
  now: number,
  actorToken?: string,
): Promise<RefreshOutcome> {
  try {
    const configuration = await provider.discovered();
    const parameters = {
      subject_token: accessToken,
      subject_token_type: accessTokenType,
      requested_token_type: accessTokenType,
      ...tokenParameters(policy),
      ...(actorToken && { actor_token: actorToken, actor_token_type: accessTokenType }),
    };
    const dpop = provider.dpopOptions(configuration, dpopKey);
    const response = await genericGrantRequest(configuration, exchangeGrant, parameters, dpop);
    checkIssuedType(response['issued_token_type']);
    const tokenSet = readTokenSet(response, now, dpopKey && { dpopKey });
    const { refreshToken: _, idToken: __, ...tokens } = tokenSet;
    return { kind: 'refreshed', tokens };
  } catch (error) {
    return routeTokenFailure(error);
  }
}

/**
 * Refuses a response without an access token. "issued_token_type REQUIRED" (RFC 8693 §2.2.1): a
 * refresh or ID token must not be sent to an API as an access token.
 */
function checkIssuedType(type: unknown): void {
  const isAccessToken = type === accessTokenType || type === 'urn:ietf:params:oauth:token-type:jwt';
  if (isAccessToken) return;
  const cause = new Error(`the token endpoint sent issued_token_type ${String(type)}`);
  throw new BffError('login_failed', { cause });
}

function tokenParameters({ resource, audience, scope }: TokenPolicy): Record<string, string> {
  return { ...(resource && { resource }), ...(audience && { audience }), ...(scope && { scope }) };
}
