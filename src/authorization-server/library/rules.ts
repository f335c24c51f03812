import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { type AuthorizationServerRoomOptions } from '../authorization-server-options.ts';
import { withoutBaseScope } from './requests.ts';

/** The seconds that a device waits between two requests for its tokens (RFC 8628 §3.2). */
export const pollInterval = 5;

/** The form of a verifier (RFC 7636 §4.1). */
const verifierForm = /^[\w.~-]{43,128}$/;

/** Endpoints that pages of a client's own web origin may call. */
const forBrowsers = new Set(['/token', '/revoke']);

/** Adds to the library's requests and responses what it does not do itself. */
export function addRules(library: Provider, options: AuthorizationServerRoomOptions): void {
  const origins = new Set(options.clients.flatMap(({ redirectUris }) => webOrigins(redirectUris)));
  library.use(async (context, next) => {
    const ctx = context as KoaContextWithOIDC;
    if (ctx.method === 'OPTIONS') return respondToPreflight(ctx, origins);
    await next();
    if (ctx.path === '/token') completeTokenResponse(ctx);
    if (ctx.path === '/device_authorization') completeDeviceResponse(ctx);
    if (!ctx.path.startsWith('/device')) dropCookie(ctx, library.cookieName('session'));
    if (!isOriginAllowed(ctx, origins)) removeCorsHeaders(ctx);
  });
}

/** The origins of the https redirect URIs of a client. */
export function webOrigins(redirectUris: readonly string[] = []): string[] {
  return redirectUris.filter((uri) => uri.startsWith('https:')).map((uri) => new URL(uri).origin);
}

/**
 * The library would allow any origin. A preflight names no client, so only the origins of
 * registered clients are allowed.
 */
function respondToPreflight(ctx: KoaContextWithOIDC, origins: ReadonlySet<string>): void {
  const origin = ctx.get('Origin');
  ctx.vary('Origin');
  ctx.status = 204;
  if (!forBrowsers.has(ctx.path) || !origins.has(origin)) return;
  ctx.set({
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Allow-Methods': 'POST',
    'Access-Control-Allow-Headers': 'Content-Type, DPoP',
    'Access-Control-Max-Age': '3600',
  });
}

function isOriginAllowed(ctx: KoaContextWithOIDC, origins: ReadonlySet<string>): boolean {
  const origin = ctx.get('Origin');
  if (!forBrowsers.has(ctx.path) || origin === '') return false;
  // The origins of a metadata document are known once its client is.
  return origins.has(origin) || webOrigins(ctx.oidc?.client?.redirectUris).includes(origin);
}

function removeCorsHeaders(ctx: KoaContextWithOIDC): void {
  ctx.remove('Access-Control-Allow-Origin');
  ctx.remove('Access-Control-Expose-Headers');
}

function completeTokenResponse(ctx: KoaContextWithOIDC): void {
  const body = ctx.body as Record<string, unknown>;
  const { scope } = body;
  if (typeof scope === 'string') {
    const visible = withoutBaseScope(scope);
    if (visible.length > 0) body['scope'] = visible.join(' ');
    else delete body['scope'];
  }
  const verifier = ctx.oidc?.params?.['code_verifier'];
  const isMalformed = typeof verifier === 'string' && !verifierForm.test(verifier);
  // "If the values are not equal, an error response indicating invalid_grant" (RFC 7636 §4.6). The
  // library reports a malformed one as `invalid_request`.
  if (body['error'] === 'invalid_request' && isMalformed) body['error'] = 'invalid_grant';
}

function completeDeviceResponse({ body, status }: KoaContextWithOIDC): void {
  if (status === 200) Object.assign(body as object, { interval: pollInterval });
}

/** The library's own session exists only for the form of the device page. */
function dropCookie(ctx: KoaContextWithOIDC, name: string): void {
  const lines = [ctx.response.get('Set-Cookie') as string | string[]].flat().filter(Boolean);
  const kept = lines.filter((line) => !line.startsWith(`${name}=`) && !line.startsWith(`${name}.`));
  if (kept.length === lines.length) return;
  if (kept.length > 0) ctx.set('Set-Cookie', kept);
  else ctx.remove('Set-Cookie');
}
