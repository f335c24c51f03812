import { providerAt } from '../support/authorization-server/provider-at.ts';
import type { Configuration } from 'oidc-provider';
import { respondWith } from '../support/upstream/responses.ts';
import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { type BffOverrides, startBff, type TestBff } from '../support/bff/bff.ts';
import { testClock } from '../support/time/clock.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { whoIs } from './steps.ts';

/** One grant for each client and session: the default of oidc-provider and Keycloak. */
const oneGrant = {
  accessTokenSeconds: 60,
  configuration: (defaults: Configuration): Configuration => ({
    ...defaults,
    loadExistingGrant: async (context) => {
      const { client, session, provider } = context.oidc;
      const id = client && session?.grantIdFor(client.clientId);
      return id ? provider.Grant.find(id) : defaults.loadExistingGrant?.(context);
    },
  }),
};

async function startSetup(overrides: BffOverrides = {}) {
  const clock = testClock();
  const bff = await startBff({ clock: clock.now, authorizationServer: oneGrant, ...overrides });
  return { bff, clock, issued: issuedBy(bff.authorizationServer) };
}

/** Every token response, as it comes. */
function issuedBy(server: AuthorizationServer) {
  const issued: { access_token: string; refresh_token: string }[] = [];
  server.transform('token', (json) => {
    issued.push(json as never);
    return json;
  });
  return issued;
}

const revocations = (server: AuthorizationServer) =>
  server
    .requestsTo('revocation')
    .map(({ form }) => [form.get('token_type_hint'), form.get('token')]);

const isRevoked = async ({ provider }: AuthorizationServer, token: string | undefined) =>
  (await provider.RefreshToken.find(token ?? '')) === undefined;

describe('a session that a new sign-in replaces', () => {
  const refreshed = async (bff: TestBff, browser: Awaited<ReturnType<TestBff['signedIn']>>) => {
    const response = await browser.fetch('/api/x');
    return [response.status, bff.authorizationServer.tokenRequests('refresh_token').length];
  };

  it('has its access token revoked when the same user signs in again, whose new tokens go on', async () => {
    const { bff, clock, issued } = await startSetup({
      authorizationServer: { accessTokenSeconds: 60 },
    });
    await using _ = bff;
    const { authorizationServer } = bff;
    const browser = await bff.signedIn();
    await bff.signIn(browser, { acr_values: 'urn:test:mfa', login_hint: 'alice' });
    const [old, next] = issued;
    await waitFor(() => revocations(authorizationServer).length === 1);
    expect(revocations(authorizationServer)).toEqual([['access_token', old?.access_token]]);
    await waitFor(
      async () => (await authorizationServer.subjectOf(old?.access_token ?? '')) === undefined,
    );
    await expect(authorizationServer.subjectOf(next?.access_token ?? '')).resolves.toBe('alice');
    clock.advance(61_000);
    expect(await refreshed(bff, browser)).toEqual([200, 1]);
  });

  it('has its refresh token revoked when another user signs in', async () => {
    const { bff, clock, issued } = await startSetup();
    await using _ = bff;
    const browser = await bff.signedIn('alice');
    await bff.signedIn('bob', browser);
    const [old] = issued;
    await waitFor(() => isRevoked(bff.authorizationServer, old?.refresh_token));
    expect(revocations(bff.authorizationServer)).toEqual([['refresh_token', old?.refresh_token]]);
    clock.advance(61_000);
    expect(await refreshed(bff, browser)).toEqual([200, 1]);
    await expect(whoIs(browser)).resolves.toBe('bob');
  });

  it('has its refresh token revoked when the provider has another session for the user now', async () => {
    const { bff, issued } = await startSetup({
      authorizationServer: { ...oneGrant, backchannelLogout: true },
    });
    await using _ = bff;
    const { issuer } = bff.authorizationServer;
    const browser = await bff.signedIn();
    // The logout token does not arrive.
    bff.authorizationServer.registerClient({ backchannel_logout_uri: `${issuer}/nowhere` });
    await browser.navigate(`${issuer}/session/end`);
    browser.location = `${bff.url}/`;
    await expect(whoIs(browser)).resolves.toBe('alice');
    await bff.signedIn('alice', browser);
    const [old] = issued;
    await waitFor(() => revocations(bff.authorizationServer).length === 1);
    expect(revocations(bff.authorizationServer)).toEqual([['refresh_token', old?.refresh_token]]);
    await expect(whoIs(browser)).resolves.toBe('alice');
  });

  it('has the accounts revoked that do not go on', async () => {
    const partner = await startAuthorizationServer({ clientId: 'at-partner' });
    const { bff } = await startSetup({
      providers: (usual) => [usual, providerAt(partner)],
    });
    await using _ = bff;
    partner.registerClient({ redirect_uris: [`${bff.url}/bff/callback/partner`] });
    const issued = issuedBy(partner);
    const browser = await bff.signedIn();
    await browser.click('/bff/connect/partner');
    await bff.signIn(browser, { acr_values: 'urn:test:mfa', login_hint: 'alice' });
    await waitFor(() => revocations(bff.authorizationServer).length === 1);
    expect(revocations(partner)).toEqual([]);

    // Connected anew, from the same grant.
    await browser.click('/bff/connect/partner');
    await waitFor(() => revocations(partner).length === 1);
    expect(revocations(partner)).toEqual([['access_token', issued[0]?.access_token]]);
    await expect(isRevoked(partner, issued[1]?.refresh_token)).resolves.toBe(false);

    await bff.signedIn('bob', browser);
    await waitFor(() => isRevoked(partner, issued[1]?.refresh_token));
    await partner.close();
  });

  it('delays no sign-in when the provider refuses the revocation', async () => {
    const { bff } = await startSetup();
    await using _ = bff;
    const browser = await bff.signedIn('alice');
    bff.authorizationServer.override('revocation', respondWith(500, ''));
    await bff.signedIn('bob', browser);
    await expect(whoIs(browser)).resolves.toBe('bob');
    await waitFor(() => bff.logs.lines.some(({ msg }) => msg === 'revocation failed'));
  });
});
