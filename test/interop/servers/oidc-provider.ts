import { readFileSync } from 'node:fs';
import { Provider, type Configuration } from 'oidc-provider';
import { signingKeys } from '../../support/authorization-server/oidc-configuration.ts';
import { closeServer, createHttpServer, listen } from '../../support/upstream/upstream.ts';
import type { Candidate, Place, Running } from '../candidate.ts';

const clientSecret = 'pixie-bff-secret-for-development';
const { version } = JSON.parse(
  readFileSync(
    new URL('../../../node_modules/oidc-provider/package.json', import.meta.url),
    'utf8',
  ),
) as { version: string };

/**
 * `oidc-provider` under the rules of FAPI 2.0, with its own pages. The client proves itself by a
 * secret, not by a key.
 */
export const oidcProvider: Candidate = {
  name: 'oidc-provider (FAPI 2.0)',
  provide: async () => ({ version, start }),
};

async function start({ publicUrl, port }: Place): Promise<Running> {
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, configuration(publicUrl));
  const problems: string[] = [];
  provider.on('server_error', (_, error) => problems.push(String(error.stack)));
  provider.on('backchannel.error', (_, error) => problems.push(String(error)));
  const server = createHttpServer(provider.callback());
  await listen(server, port);
  return {
    issuer,
    get output() {
      return problems.join('\n');
    },
    registration: {
      clientId: 'pixie-bff',
      clientSecret,
      scopes: ['openid', 'profile', 'email', 'offline_access'],
      idTokenAlgorithms: ['PS256'],
    },
    signIn: async (browser, page) => {
      const consent = await browser.submit(page, { login: 'alice', password: 'pixie' });
      return browser.submit(consent, { prompt: 'consent' });
    },
    confirmSignOut: (browser, page) => browser.submit(page, { logout: 'yes' }),
    [Symbol.asyncDispose]: () => closeServer(server),
  };
}

function configuration(publicUrl: string): Configuration {
  return {
    clients: [client(publicUrl)],
    jwks: { keys: signingKeys() },
    cookies: { keys: ['only for tests'] },
    claims: { profile: ['name'], email: ['email', 'email_verified'] },
    findAccount: (_ctx, sub) => ({
      accountId: sub,
      claims: () => ({ sub, name: 'Alice Adams', email: 'alice@example.com' }),
    }),
    enabledJWA: { idTokenSigningAlgValues: ['PS256', 'ES256'] },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: () => true,
    expiresWithSession: () => false,
    ttl: {
      AuthorizationCode: 60,
      AccessToken: 300,
      IdToken: 300,
      Interaction: 300,
      Session: 3600,
      Grant: 3600,
      RefreshToken: 3600,
    },
    features: {
      fapi: { enabled: true, profile: '2.0' },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
      revocation: { enabled: true },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource: confirmLogout },
    },
    // Its own dispatcher refuses loopback, where our back-channel logout endpoint is.
    fetch: (url, init) => fetch(url, Object.assign({}, init, { dispatcher: undefined })),
  };
}

function client(publicUrl: string) {
  return {
    client_id: 'pixie-bff',
    client_secret: clientSecret,
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [`${publicUrl}/bff/callback`],
    post_logout_redirect_uris: [`${publicUrl}/bff/logout/callback`],
    backchannel_logout_uri: `${publicUrl}/bff/backchannel`,
    backchannel_logout_session_required: true,
    id_token_signed_response_alg: 'PS256',
  } as const;
}

type Features = NonNullable<Configuration['features']>;

const confirmLogout: NonNullable<NonNullable<Features['rpInitiatedLogout']>['logoutSource']> = (
  ctx,
  form,
) => {
  const button = '<button name="logout" value="yes">Sign out</button></form>';
  ctx.body = `<!doctype html><title>Sign out?</title>${form.replace('</form>', button)}`;
};
