import { BearerIssuers } from '../../src/oauth/bearer/bearer-issuers.ts';
import { DpopProofs } from '../../src/oauth/bearer/dpop-proofs.ts';
import { routeTokenPolicy } from '../../src/oauth/tokens/token-policy.ts';
import { CallerTokensService } from '../../src/session/tokens/caller-tokens.service.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import {
  exchangeGrant,
  extraTokenClaims,
  offerTokenExchange,
} from '../support/authorization-server/token-exchange.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';

const reports = 'https://reports.example.com';

describe('an access token of a real authorization server', () => {
  let server: AuthorizationServer;
  let bff: TestBff;

  beforeAll(async () => {
    server = await startAuthorizationServer({
      scopes: ['openid', 'read', 'write'],
      resources: { [reports]: { scope: 'read write' } },
      clientCredentials: true,
      configuration: (defaults) => ({ ...defaults, extraTokenClaims }),
      client: {
        grant_types: ['authorization_code', 'client_credentials', exchangeGrant],
        scope: 'openid read write',
      },
    });
    offerTokenExchange(server);
    bff = await start(false);
  });
  afterAll(async () => {
    await bff.close();
    await server.close();
  });

  function start(allowMissingAudience: boolean): Promise<TestBff> {
    const { issuer, clientId, clientSecret } = server;
    const endpoint = `${issuer}/token/introspection`;
    const introspection = { endpoint, clientId, clientSecret, allowMissingAudience };
    return startBff({
      authorizationServer: server,
      store: 'memory',
      bearer: { issuers: [{ issuer, audience: reports, introspection }] },
    });
  }

  /** A token by the client’s credentials: a JWT for a resource, opaque without one. */
  async function clientToken(parameters: Record<string, string>): Promise<string> {
    const { issuer, clientId, clientSecret } = server;
    const credentials = [clientId, clientSecret].map(encodeURIComponent).join(':');
    const response = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(credentials)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...parameters }),
    });
    return ((await response.json()) as { access_token: string }).access_token;
  }

  it('is accepted as a JWT for our audience', async () => {
    const token = await clientToken({ resource: reports, scope: 'read' });
    await expect(bff.app.get(BearerIssuers).verify(token)).resolves.toMatchObject({
      issuer: server.issuer,
      scopes: ['read'],
      claims: { client_id: server.clientId },
    });
  });

  it('is accepted without an audience only if the configuration allows that', async () => {
    const token = await clientToken({ scope: 'read' });
    expect(token).not.toContain('.');
    await expect(bff.app.get(BearerIssuers).verify(token)).rejects.toMatchObject({
      code: 'invalid_token',
    });
    const lenient = await start(true);
    try {
      const issuers = lenient.app.get(BearerIssuers);
      await expect(issuers.verify(token)).resolves.toMatchObject({ scopes: ['read'] });
      await expect(issuers.verify(`${token}x`)).rejects.toMatchObject({ code: 'invalid_token' });
    } finally {
      await lenient.close();
    }
  });

  it('is exchanged for one of the route, which names the user', async () => {
    const { provider } = server;
    const client = await provider.Client.find(server.clientId);
    const issued = new provider.AccessToken({ client, accountId: 'alice', scope: 'read' } as never);
    const caller = { accessToken: await issued.save(), expiresAt: Date.now() + 60_000 };
    const exchange = { audience: reports, scope: 'read' };
    const policy = routeTokenPolicy({ token: 'required', exchange } as never, 'corp');
    if (!policy) throw new Error('the route has no policy');
    const exchanged = await bff.app.get(CallerTokensService).tokensFor(policy, caller);
    await expect(bff.app.get(BearerIssuers).verify(exchanged.accessToken)).resolves.toMatchObject({
      sub: 'alice',
      scopes: ['read'],
    });
  });

  it('is not accepted at all if no issuers are configured', async () => {
    const other = await startBff({ authorizationServer: server, store: 'memory' });
    try {
      expect(other.app.get(BearerIssuers)).toBeUndefined();
      // Proofs are checked for the clients of our own authorization server too.
      expect(other.app.get(DpopProofs)).toBeInstanceOf(DpopProofs);
    } finally {
      await other.close();
    }
  });
});
