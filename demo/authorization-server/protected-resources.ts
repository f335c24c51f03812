import { createLocalJWKSet, type JWK, jwtVerify } from 'jose';
import type { Provider } from 'oidc-provider';
import type { Journeys } from './journeys.ts';
import { journeyPath, userInfoPath } from './paths.ts';
import { claimsOf, people } from './people.ts';
import { signingAlgorithm } from './provider.ts';

/** Whose access tokens open the resources. */
export interface ProtectedResourceSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly publicKey: JWK;
  readonly journeys: Journeys;
}

interface Bearer {
  readonly sub: string;
  readonly scopes: ReadonlySet<string>;
  readonly journey: unknown;
}

/**
 * UserInfo (OIDC Core §5.3) and the journey of a sign-in, both for the access tokens this server
 * issued itself.
 */
export function serveProtectedResources(
  provider: Provider,
  settings: ProtectedResourceSettings,
): void {
  const readBearer = createBearerReader(settings);
  provider.use(async (ctx, next) => {
    if (ctx.path !== userInfoPath && ctx.path !== journeyPath) return next();
    ctx.set('Cache-Control', 'no-store');
    const bearer = await readBearer(ctx.get('authorization'));
    if (!bearer) {
      ctx.status = 401;
      ctx.set('WWW-Authenticate', challenge(ctx.get('authorization')));
      ctx.body = { error: 'invalid_token' };
      return;
    }
    if (ctx.path === userInfoPath) ctx.body = userInfo(bearer, settings.journeys);
    else ctx.body = ownJourney(bearer, settings.journeys);
    if (!ctx.body) ctx.status = 404;
  });
}

/**
 * "The resource server SHOULD NOT include an error code" when no token was sent (RFC 6750 §3.1).
 */
function challenge(authorization: string): string {
  return authorization
    ? 'Bearer realm="Pixie Demo ID", error="invalid_token"'
    : 'Bearer realm="Pixie Demo ID"';
}

function createBearerReader({ issuer, audience, publicKey }: ProtectedResourceSettings) {
  const keys = createLocalJWKSet({ keys: [publicKey] });
  const expected = { issuer, audience, typ: 'at+jwt', algorithms: [signingAlgorithm] };
  return async (authorization: string): Promise<Bearer | undefined> => {
    const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
    if (!token) return undefined;
    const verified = await jwtVerify(token, keys, expected).catch(() => undefined);
    if (!verified?.payload.sub) return undefined;
    const { sub, scope, journey } = verified.payload;
    return { sub, journey, scopes: new Set(String(scope ?? '').split(' ')) };
  };
}

function userInfo({ sub, scopes, journey }: Bearer, journeys: Journeys): object | undefined {
  const person = people.find((candidate) => candidate.sub === sub);
  const times = journeys.byId(journey)?.times;
  if (times) times.userInfoRead ??= Date.now();
  return person && claimsOf(person, scopes);
}

function ownJourney({ sub, journey }: Bearer, journeys: Journeys): object | undefined {
  const found = journeys.byId(journey);
  return found?.sub === sub ? found : undefined;
}
