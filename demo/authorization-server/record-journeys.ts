import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { type Journeys, seeVerifier } from './journeys.ts';

/** Writes down what passes through the authorization endpoint and the token endpoint. */
export function recordJourneys(provider: Provider, journeys: Journeys): void {
  provider.use(async (ctx, next) => {
    ctx.state.receivedAt = Date.now();
    await next();
  });
  provider.on('interaction.started', (ctx) => noteRequest(ctx, journeys));
  provider.on('authorization.success', (ctx) => noteCode(ctx, journeys));
  provider.on('grant.success', (ctx) => noteTokens(ctx, journeys));
}

function noteRequest(ctx: KoaContextWithOIDC, journeys: Journeys): void {
  const { params } = ctx.oidc;
  if (params?.code_challenge) journeys.begin(params, ctx.state.receivedAt);
}

function noteCode(ctx: KoaContextWithOIDC, journeys: Journeys): void {
  const { params, entities } = ctx.oidc;
  const { grantId, accountId } = entities.AuthorizationCode ?? {};
  if (!params?.code_challenge || !grantId) return;
  const journey = journeys.begin(params, ctx.state.receivedAt);
  journey.times.codeIssued = Date.now();
  if (accountId) journey.sub = accountId;
  journeys.continueWithGrant(journey, grantId);
}

function noteTokens(ctx: KoaContextWithOIDC, journeys: Journeys): void {
  const { params, entities, client } = ctx.oidc;
  const journey = journeys.ofGrant(entities.AccessToken?.grantId ?? '');
  if (!journey || !client) return;
  if (params?.grant_type === 'refresh_token') {
    journey.refreshes += 1;
    return;
  }
  journey.times.tokenRequestReceived = ctx.state.receivedAt;
  journey.times.tokensIssued = Date.now();
  journey.verifier = seeVerifier(String(params?.code_verifier ?? ''), journey.challenge);
  journey.clientAuthentication = client.clientAuthMethod;
  journey.tokens = {
    accessTokenSeconds: entities.AccessToken?.expiration ?? 0,
    hasRefreshToken: entities.RefreshToken !== undefined,
    hasIdToken: journey.scopes.includes('openid'),
  };
}
