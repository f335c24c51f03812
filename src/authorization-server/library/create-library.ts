import { createHmac } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import {
  type AccessToken,
  type Configuration,
  errors,
  type KoaContextWithOIDC,
  Provider,
} from 'oidc-provider';
import type { Session } from '../../session/sessions/session.ts';
import {
  type AuthorizationServerRoomOptions,
  issuerOf,
  scopesOf,
} from '../authorization-server-options.ts';
import { dpopAlgorithms } from '../../oauth/bearer/dpop-proofs.ts';
import { grantTypes } from '../metadata.ts';
import { type AdapterParts, createAdapters } from './adapter.ts';
import { metadataOfClient } from './client-metadata.ts';
import { deviceFlow } from './device-flow.ts';
import { anonymousLifetime } from './records.ts';
import { addRules, webOrigins } from './rules.ts';
import { baseScope, completeRequest, withoutBaseScope } from './requests.ts';

/** Pages and addresses that the library asks for while it serves a request. */
export interface LibraryPages {
  /** The page where the user signs in and consents to an authorization request. */
  interactionPath(authorizationRequest: string): string;
  /** Shows an error that cannot be sent to the client. */
  showError(context: KoaContextWithOIDC, code: string, description: string | undefined): void;
}

/** How long a code may be redeemed, in seconds. */
export const codeLifetime = 60;

/** The account of the library: the session of a client. */
interface SessionAccount {
  readonly accountId: string;
  readonly session: Session;
  claims(): Promise<{ sub: string }>;
  [name: string]: unknown;
}

/**
 * Creates the authorization server of the library `oidc-provider`. It only speaks OAuth 2.1: the
 * authorization code with PKCE, refresh tokens, and the device grant if configured.
 */
export async function createLibrary(
  options: AuthorizationServerRoomOptions,
  parts: AdapterParts,
  pages: LibraryPages,
): Promise<Provider> {
  const configuration: Configuration = {
    adapter: createAdapters(parts, options),
    clients: options.clients.map((client) => metadataOfClient(client, options)),
    clientDefaults: {
      // Loopback redirect URIs with any port (RFC 8252 §7.3) and private schemes.
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: 'ES256',
      grant_types: grantTypes(options),
      response_types: ['code'],
    },
    // Nothing is signed with it, but the library does not start without a key.
    jwks: { keys: [await unusedKey()] },
    cookies: cookiesOf(options),
    routes: {
      authorization: '/authorize',
      token: '/token',
      revocation: '/revoke',
      device_authorization: '/device_authorization',
      code_verification: '/device',
    },
    scopes: [...scopesOf(options), baseScope],
    claims: {},
    responseTypes: ['code'],
    clientAuthMethods: ['none'],
    enabledJWA: { dPoPSigningAlgValues: [...dpopAlgorithms] },
    pkce: { required: () => true },
    allowOmittingSingleRegisteredRedirectUri: false,
    ttl: lifetimesOf(options, parts),
    rotateRefreshToken: true,
    issueRefreshToken: async () => true,
    expiresWithSession: async () => false,
    clientBasedCORS: (_context, origin, { redirectUris }) =>
      webOrigins(redirectUris).includes(origin),
    findAccount: (context, id) => findAccount(context, id, parts),
    loadExistingGrant: async ({ oidc }) => {
      // One grant for each authorization: earlier ones are other sessions.
      const grantId = oidc.result?.consent?.grantId;
      return grantId === undefined ? undefined : oidc.provider.Grant.find(grantId);
    },
    interactions: { url: (_context, { uid }) => pages.interactionPath(uid) },
    renderError: (context, { error, error_description: description }) =>
      pages.showError(context, error, description),
    features: featuresOf(options),
  };
  const library = new Provider(issuerOf(options), configuration);
  library.silent = true;
  usePublicAddress(library, options.publicUrl);
  addRules(library, options);
  issueHandles(library, parts);
  return library;
}

function featuresOf(options: AuthorizationServerRoomOptions): Configuration['features'] {
  return {
    devInteractions: { enabled: false },
    userinfo: { enabled: false },
    rpInitiatedLogout: { enabled: false },
    pushedAuthorizationRequests: { enabled: false },
    revocation: {
      enabled: true,
      allowedPolicy: async (_context, client, token) => client.clientId === token.clientId,
    },
    dPoP: { enabled: true },
    deviceFlow: deviceFlow(options),
    resourceIndicators: {
      enabled: true,
      // Without `resource`, the handle is valid on every bearer route. Of several that were granted,
      // a token request must name one.
      defaultResource: (context, _client, granted) => {
        completeRequest(context, options);
        return granted as string[];
      },
      getResourceServerInfo: (context, resource) => {
        const scopes = options.resources.get(resource);
        if (!scopes) throw new errors.InvalidTarget('resource is none of this server');
        completeRequest(context, options);
        return { scope: [...scopes, baseScope].join(' '), accessTokenFormat: 'opaque' };
      },
      useGrantedResource: async () => true,
    },
  };
}

function cookiesOf({ publicUrl, secrets }: AuthorizationServerRoomOptions) {
  const prefix = publicUrl.startsWith('https:') ? '__Secure-' : '';
  const attributes = { httpOnly: true, sameSite: 'lax', overwrite: true } as const;
  return {
    names: {
      session: `${prefix}bff-oauth`,
      interaction: `${prefix}bff-oauth-request`,
      resume: `${prefix}bff-oauth-resume`,
    },
    keys: secrets.map((secret) =>
      createHmac('sha256', secret).update('pixie-bff authorization server v1').digest('base64url'),
    ),
    short: attributes,
    long: attributes,
  };
}

function lifetimesOf(
  { accessToken }: AuthorizationServerRoomOptions,
  { clock }: AdapterParts,
): Configuration['ttl'] {
  /** The seconds until the session of this request ends. */
  const untilEnd = ({ oidc }: KoaContextWithOIDC) => {
    const account = oidc.account as SessionAccount | undefined;
    const left = account ? account.session.expiresAt - clock() : accessToken;
    return Math.max(1, Math.ceil(left / 1000));
  };
  return {
    AccessToken: (context) => Math.min(Math.ceil(accessToken / 1000), untilEnd(context)),
    RefreshToken: untilEnd,
    AuthorizationCode: codeLifetime,
    DeviceCode: anonymousLifetime,
    Interaction: anonymousLifetime,
    Session: anonymousLifetime,
    Grant: 400 * 24 * 3600,
  };
}

/** Finds the session that a code or token belongs to. The token endpoint counts as a use of it. */
async function findAccount(
  { oidc }: KoaContextWithOIDC,
  id: string,
  { sessions }: AdapterParts,
): Promise<SessionAccount | undefined> {
  const session = await (oidc.route === 'token' ? sessions.use(id) : sessions.find(id));
  const isTheirs = session?.client?.id === oidc.client?.clientId;
  return session && isTheirs
    ? { accountId: id, session, claims: async () => ({ sub: id }) }
    : undefined;
}

/** The library makes addresses from the request. Ours come from the configuration alone. */
function usePublicAddress(library: Provider, publicUrl: string): void {
  const { origin, host, hostname, protocol } = new URL(publicUrl);
  Object.defineProperties(library.request, {
    origin: { get: () => origin },
    host: { get: () => host },
    hostname: { get: () => hostname },
    protocol: { get: () => protocol.slice(0, -1) },
    secure: { get: () => protocol === 'https:' },
    href: {
      get(this: KoaContextWithOIDC['request']) {
        return origin + this.originalUrl;
      },
    },
  });
}

/** Access tokens are handles. Without a payload, the library stores nothing. */
function issueHandles(library: Provider, { handles, clock }: AdapterParts): void {
  Object.defineProperty(library.AccessToken.prototype, 'getValueAndPayload', {
    async value(this: AccessToken) {
      const { accountId, clientId = '', scope, aud, expiration, jkt } = this;
      const resource = Array.isArray(aud) ? aud[0] : aud;
      const value = handles.issue({
        sessionId: accountId,
        clientId,
        scopes: withoutBaseScope(scope),
        expiresAt: clock() + expiration * 1000,
        ...(resource !== undefined && { resource }),
        ...(jkt !== undefined && { keyThumbprint: jkt }),
      });
      return { value, payload: undefined };
    },
  });
}

async function unusedKey() {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return exportJWK(privateKey);
}
