import { randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { type Configuration, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import { apiScopes } from '../defaults.ts';
import type { Journeys } from './journeys.ts';
import { createMemoryAdapter } from './memory-adapter.ts';
import { sendPage } from './page.ts';
import { errorPage, signedOutPage, signOutPage } from './pages.ts';
import { cookiePath, userInfoPath } from './paths.ts';
import { claimsOf, people } from './people.ts';

/** A confidential client of the demo: it authenticates with its secret and must use PKCE. */
export interface DemoClient {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris?: readonly string[];
  /** What the consent page calls it. Absent: its id. */
  readonly name?: string;
}

/** What one authorization server is made of. */
export interface ProviderSettings {
  readonly issuer: string;
  readonly clients: readonly DemoClient[];
  readonly audience: string;
  readonly accessTokenSeconds: number;
  readonly signingKey: JWK;
  readonly journeys: Journeys;
}

/** The algorithm of ID tokens and access tokens; every client understands it (OIDC Core §15.1). */
export const signingAlgorithm = 'RS256';

const identityScopes = ['openid', 'profile', 'email'];
const day = 24 * 60 * 60;

/** A new signing key. The demo has one per start: tokens of an earlier run are worth nothing. */
export async function createSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(signingAlgorithm, { extractable: true });
  return {
    ...(await exportJWK(privateKey)),
    alg: signingAlgorithm,
    use: 'sig',
    kid: randomBytes(6).toString('hex'),
  };
}

/**
 * The OAuth 2 and OpenID Connect rules of the demo: PKCE for everyone, rotating refresh tokens,
 * access tokens for one API.
 */
export function createProvider(settings: ProviderSettings): Provider {
  const provider = new Provider(settings.issuer, {
    ...clientsAndScopes(settings),
    ...lifetimes(settings),
    adapter: createMemoryAdapter(),
    jwks: { keys: [settings.signingKey] },
    cookies: cookies(settings.issuer),
    routes,
    discovery: { userinfo_endpoint: settings.issuer + userInfoPath },
    features: features(settings),
    findAccount: (_ctx, sub) => findAccount(sub),
    interactions: { url: (_ctx, { uid }) => `${cookiePath}/interaction/${uid}` },
    renderError: (ctx, out) =>
      sendPage(ctx, errorPage(out.error, out.error_description), { status: ctx.status }),
    extraTokenClaims: (_ctx, token) => {
      const grantId = 'grantId' in token ? String(token.grantId) : '';
      return { journey: settings.journeys.ofGrant(grantId)?.id };
    },
  });
  provider.on('server_error', (_ctx, error) => console.error('authorization server:', error));
  return provider;
}

const routes = {
  authorization: `${cookiePath}/authorize`,
  end_session: `${cookiePath}/end-session`,
  token: '/token',
  revocation: '/revoke',
  jwks: '/jwks',
};

function clientsAndScopes({ clients }: ProviderSettings): Configuration {
  return {
    clients: clients.map((client) => ({
      client_id: client.clientId,
      client_secret: client.clientSecret,
      client_name: client.name ?? client.clientId,
      redirect_uris: [...client.redirectUris],
      post_logout_redirect_uris: [...(client.postLogoutRedirectUris ?? [])],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: signingAlgorithm,
    })),
    scopes: [...identityScopes, 'offline_access'],
    claims: {
      openid: ['sub'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username'],
      email: ['email', 'email_verified'],
    },
    responseTypes: ['code'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
    // A client secret proves who redeems a code, not that it is the one who asked for it (RFC 9700
    // §2.1.1).
    pkce: { required: () => true },
    clientBasedCORS: () => false,
  };
}

function lifetimes({ accessTokenSeconds }: ProviderSettings): Configuration {
  return {
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: 60,
      IdToken: 60 * 60,
      Interaction: 60 * 60,
      Grant: day,
      RefreshToken: day,
      Session: day,
    },
    // The client need not send `prompt=consent` for it: the consent page always names it.
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: () => false,
    rotateRefreshToken: () => true,
  };
}

/** Cookies know hosts, not ports: the port is part of the names. */
function cookies(issuer: string): Configuration['cookies'] {
  const name = `pixie-demo-id-${new URL(issuer).port || 'default'}`;
  const attributes = { httpOnly: true, sameSite: 'lax', signed: true } as const;
  return {
    names: { session: name, interaction: `${name}-step`, resume: `${name}-resume` },
    long: { ...attributes, path: cookiePath },
    short: attributes,
    keys: [randomBytes(32)],
  };
}

function features({ audience, accessTokenSeconds }: ProviderSettings): Configuration['features'] {
  return {
    devInteractions: { enabled: false },
    // The eleven steps send the authorization request through the browser, where it can be seen.
    pushedAuthorizationRequests: { enabled: false },
    dPoP: { enabled: false },
    // Replaced by `answerUserInfo`: here an access token of the API may also read the claims.
    userinfo: { enabled: false },
    revocation: {
      enabled: true,
      allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
    },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: signOut,
      postLogoutSuccessSource: (ctx) => sendPage(ctx, signedOutPage()),
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: [...identityScopes, ...apiScopes].join(' '),
        audience,
        accessTokenFormat: 'jwt',
        accessTokenTTL: accessTokenSeconds,
        jwt: { sign: { alg: signingAlgorithm } },
      }),
    },
  };
}

function findAccount(sub: string) {
  const person = people.find((candidate) => candidate.sub === sub);
  if (!person) return undefined;
  return {
    accountId: sub,
    // The ID token stays small; names and addresses are read from UserInfo (OIDC Core §5.4).
    claims: () => ({ sub: claimsOf(person, new Set()).sub as string }),
  };
}

/**
 * Whoever shows an ID token of the person signed in here need not confirm anything. "The OP SHOULD
 * ask the End-User whether to log out" (OIDC RP-Initiated Logout §2) is for everybody else.
 */
async function signOut(ctx: KoaContextWithOIDC, form: string): Promise<void> {
  const { session, entities, provider } = ctx.oidc;
  if (!session || entities.IdTokenHint?.payload.sub !== session.accountId) {
    sendPage(ctx, signOutPage(form), { formTargets: clientOrigins(entities.Client) });
    return;
  }
  const { postLogoutRedirectUri, state } = session.state ?? {};
  await session.destroy();
  ctx.oidc.cookies.set(provider.cookieName('session'), null, { path: cookiePath });
  const target = new URL(String(postLogoutRedirectUri ?? ctx.oidc.urlFor('end_session_success')));
  if (postLogoutRedirectUri && state !== undefined) target.searchParams.set('state', String(state));
  ctx.status = 303;
  ctx.redirect(target.href);
}

/** Where a form of ours may end up: browsers hold redirects after a form to `form-action` too. */
export function clientOrigins(
  client: { readonly redirectUris?: readonly string[] | undefined } | undefined,
): string[] {
  return [...new Set(client?.redirectUris?.map((uri) => new URL(uri).origin))];
}
