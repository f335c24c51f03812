import { generateKeyPairSync } from 'node:crypto';
import { errors, interactionPolicy, type Configuration, type JWK } from 'oidc-provider';
import type { AuthorizationServerOptions, People } from './options.ts';
import type { OidcStorage } from './oidc-storage.ts';

const standardClaims: Record<string, string[]> = {
  profile: ['name', 'given_name', 'family_name', 'preferred_username', 'picture', 'locale'],
  email: ['email', 'email_verified'],
};

/**
 * The oidc-provider configuration for a test's options. Every user grants every requested scope.
 */
export function oidcConfiguration(
  options: AuthorizationServerOptions,
  people: People,
  storage: OidcStorage,
): Configuration {
  const configuration: Configuration = {
    adapter: storage.adapter,
    jwks: { keys: signingKeys() },
    cookies: { keys: ['only for tests'] },
    scopes: options.scopes ?? ['openid', 'offline_access', 'profile', 'email', 'api'],
    acrValues: ['urn:test:password', 'urn:test:mfa'],
    claims: claims(people),
    conformIdTokenClaims: options.claimsInIdToken === false,
    rotateRefreshToken: options.rotateRefreshTokens ?? true,
    // Most servers honour `offline_access` without `prompt=consent`; oidc-provider by itself does
    // not.
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: () => false,
    pkce: { required: () => options.pkceRequired ?? true },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}`, policy: policy(people) },
    findAccount: (_ctx, sub) =>
      people[sub] && { accountId: sub, claims: () => ({ ...people[sub], sub }) },
    loadExistingGrant: grantEverything,
    renderError: (ctx, out) => {
      ctx.body = out;
    },
    ttl: lifetimes(options.accessTokenSeconds ?? 3600),
    features: features(options),
    // oidc-provider's own dispatcher refuses loopback, where our back-channel logout endpoint is.
    fetch: (url, init) => fetch(url, Object.assign({}, init, { dispatcher: undefined })),
  };
  return options.configuration?.(configuration) ?? configuration;
}

let keys: JWK[] | undefined;

/**
 * The private keys it signs with: RSA, P-256 and Ed25519, made once a process. `kid` names the
 * kind.
 */
export function signingKeys(): JWK[] {
  keys ??= [
    { ...exportKey(generateKeyPairSync('rsa', { modulusLength: 2048 })), kid: 'rsa' },
    { ...exportKey(generateKeyPairSync('ec', { namedCurve: 'P-256' })), kid: 'ec' },
    { ...exportKey(generateKeyPairSync('ed25519')), kid: 'ed' },
  ];
  return keys;
}

function exportKey({ privateKey }: { privateKey: import('node:crypto').KeyObject }): JWK {
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig' } as JWK;
}

// A person's claims that no standard scope covers, `groups` for example, come with `openid`.
function claims(people: People): NonNullable<Configuration['claims']> {
  const standard = new Set(Object.values(standardClaims).flat());
  const names = Object.values(people).flatMap((person) => Object.keys(person));
  const others = names.filter((name) => !standard.has(name));
  const always = { acr: null, amr: null, auth_time: null, iss: null, sid: null };
  return { ...standardClaims, ...always, openid: [...new Set(['sub', ...others])] };
}

// The server shows its sign-in again when its own session belongs to another person than the hinted
// one, or was made with a weaker sign-in than `acr_values` requests.
function policy(people: People): interactionPolicy.DefaultPolicy {
  const prompts = interactionPolicy.base();
  const checks = prompts.get('login')?.checks;
  checks?.add(
    new interactionPolicy.Check('other_person', 'somebody else is hinted', ({ oidc }) => {
      const hinted = personHinted(people, oidc.params?.['login_hint']);
      return hinted !== undefined && hinted !== oidc.session?.accountId && !oidc.result?.login;
    }),
  );
  checks?.add(
    new interactionPolicy.Check('weak_acr', 'a stronger sign-in is asked', ({ oidc }) => {
      const requested = String(oidc.params?.['acr_values'] ?? '');
      const reached = oidc.session?.acr ?? '';
      return requested !== '' && !requested.split(' ').includes(reached) && !oidc.result?.login;
    }),
  );
  return prompts;
}

/** The person whose subject or e-mail address a `login_hint` is; undefined when there is none. */
export function personHinted(people: People, hint: unknown): string | undefined {
  return Object.keys(people).find((sub) => sub === hint || people[sub]?.['email'] === hint);
}

const grantEverything: NonNullable<Configuration['loadExistingGrant']> = async ({ oidc }) => {
  const { client, session } = oidc;
  if (!client || !session?.accountId) return undefined;
  const grant = new oidc.provider.Grant({
    clientId: client.clientId,
    accountId: session.accountId,
  });
  grant.addOIDCScope([...oidc.requestParamScopes].join(' '));
  grant.addOIDCClaims([...oidc.requestParamClaims]);
  for (const [indicator, { scopes }] of Object.entries(oidc.resourceServers ?? {})) {
    grant.addResourceScope(indicator, [...scopes].join(' '));
  }
  await grant.save();
  return grant;
};

function lifetimes(accessTokenSeconds: number): NonNullable<Configuration['ttl']> {
  const day = 24 * 60 * 60;
  return {
    AccessToken: accessTokenSeconds,
    ClientCredentials: accessTokenSeconds,
    AuthorizationCode: 60,
    IdToken: 3600,
    Interaction: 3600,
    RefreshToken: 14 * day,
    Grant: 14 * day,
    Session: 14 * day,
  };
}

function features(options: AuthorizationServerOptions): NonNullable<Configuration['features']> {
  const par = options.par ?? 'off';
  return {
    devInteractions: { enabled: false },
    dPoP: options.dpop
      ? {
          enabled: true,
          nonceSecret: Buffer.alloc(32, 7),
          requireNonce: () => options.dpop === 'nonce',
        }
      : { enabled: false },
    pushedAuthorizationRequests: {
      enabled: par !== 'off',
      requirePushedAuthorizationRequests: par === 'required',
    },
    requestObjects: { enabled: options.jar ?? false },
    jwtResponseModes: { enabled: options.jarm ?? false },
    clientCredentials: { enabled: options.clientCredentials ?? false },
    revocation: { enabled: options.revocation ?? true },
    introspection: { enabled: true },
    userinfo: { enabled: options.userinfo ?? options.jwtAccessTokens === undefined },
    backchannelLogout: { enabled: options.backchannelLogout ?? false },
    rpInitiatedLogout: {
      enabled: options.rpInitiatedLogout ?? true,
      logoutSource: (ctx, form) => {
        ctx.body = autoSubmitting(form);
      },
      postLogoutSuccessSource: (ctx) => {
        ctx.body = 'Signed out at the authorization server.';
      },
    },
    resourceIndicators: resources(options),
  };
}

function autoSubmitting(form: string): string {
  const confirmed = form.replace(
    '</form>',
    '<input type="hidden" name="logout" value="yes"/></form>',
  );
  return `<!doctype html><title>Signing out</title>${confirmed}<script>document.forms[0].submit()</script>`;
}

type Features = NonNullable<Configuration['features']>;

function resources(options: AuthorizationServerOptions): Features['resourceIndicators'] {
  const { jwtAccessTokens: jwt, resources: named = {} } = options;
  const known = jwt ? { [jwt.audience]: {}, ...named } : named;
  const scope = options.scopes?.join(' ') ?? 'api';
  return {
    enabled: Object.keys(known).length > 0,
    defaultResource: (_ctx, _client, oneOf) => oneOf ?? jwt?.audience,
    useGrantedResource: () => jwt !== undefined,
    getResourceServerInfo: (_ctx, indicator) => {
      if (!Object.hasOwn(known, indicator)) throw new errors.InvalidTarget();
      return { scope, audience: indicator, accessTokenFormat: 'jwt', ...known[indicator] };
    },
  };
}
