import { calculateJwkThumbprint, decodeProtectedHeader } from 'jose';
import type { Configuration } from 'oidc-provider';
import type { AuthorizationServer } from './authorization-server.ts';

/** The grant type of RFC 8693. */
export const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';

const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
const parameters = `subject_token subject_token_type requested_token_type audience scope actor_token actor_token_type resource`;

/** The actors, in requests with an `actor_token`. */
const actors = new WeakMap<object, string>();

/** For the configuration of the authorization server: `act` of exchanged tokens (RFC 8693 §4.1). */
export const extraTokenClaims: NonNullable<Configuration['extraTokenClaims']> = (ctx) => {
  const sub = actors.get(ctx);
  return sub === undefined ? undefined : { act: { sub } };
};

/**
 * Teaches a running authorization server the token exchange: any access token of its own for a JWT
 * with this audience and scope, whose `act` names the client of an actor token; one that is bound
 * to a key for one that is bound to the same. Its clients must be registered for `exchangeGrant`.
 */
export function offerTokenExchange({ provider }: AuthorizationServer): void {
  const handler = async (ctx: Parameters<Parameters<typeof provider.registerGrantType>[1]>[0]) => {
    const params = ctx.oidc.params as Record<string, string | undefined>;
    const subject = await provider.AccessToken.find(params['subject_token'] ?? '');
    if (!subject || params['subject_token_type'] !== accessTokenType)
      return refuse(ctx, 'invalid_request');
    const { audience = '', scope = '', actor_token: actorToken } = params;
    if (audience.includes('forbidden')) return refuse(ctx, 'invalid_target');
    const actor = actorToken ? await provider.ClientCredentials.find(actorToken) : undefined;
    if (actorToken && !actor) return refuse(ctx, 'invalid_request');
    if (actor) actors.set(ctx, actor.clientId ?? '');
    const proof = ctx.get('dpop');
    const { jwk } = proof ? decodeProtectedHeader(proof) : {};
    const jkt = jwk && (await calculateJwkThumbprint(jwk));
    if (subject.jkt !== jkt) return refuse(ctx, 'invalid_dpop_proof');
    const token = new provider.AccessToken({
      client: ctx.oidc.client,
      accountId: subject.accountId,
      grantId: subject.grantId,
      gty: 'token_exchange',
      scope,
      ...(jkt && { jkt }),
    } as never);
    const server = { scope, audience, accessTokenFormat: 'jwt' } as const;
    token.resourceServer = new provider.ResourceServer(audience, server);
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: accessTokenType,
      token_type: jkt ? 'DPoP' : 'Bearer',
      expires_in: token.expiration,
      scope,
    };
  };
  provider.registerGrantType(exchangeGrant, handler, parameters.split(' '));
}

function refuse(ctx: { status: number; body: unknown }, error: string): void {
  ctx.status = 400;
  ctx.body = { error, error_description: 'not for you' };
}
