import { createSecretKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import { CompactSign, importJWK } from 'jose';
import type { AuthorizationServer } from '../support/authorization-server/authorization-server.ts';
import type { TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';

type Members = Readonly<Record<string, unknown>>;
type Key = Parameters<CompactSign['sign']>[0];

/** The member of `events` that makes a token a logout token (OIDC Back-Channel Logout §2.4). */
export const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout';

/**
 * Header members over those of a valid token, and a key in the place of the provider's; `undefined`
 * takes a member away.
 */
export interface Forgery {
  readonly header?: Members;
  readonly key?: Key;
}

/** The claims of a valid logout token about nobody yet, with these laid over them. */
export function logoutClaims({ issuer, clientId }: AuthorizationServer, changes: Members): Members {
  const now = Math.floor(Date.now() / 1000);
  const valid = { iss: issuer, aud: clientId, iat: now, exp: now + 120, jti: randomUUID() };
  return { ...valid, events: { [logoutEvent]: {} }, ...changes };
}

/** A logout token as the provider would sign it, but for what is changed. */
export async function logoutToken(
  server: AuthorizationServer,
  claims: Members,
  { header, key }: Forgery = {},
): Promise<string> {
  const text = JSON.stringify(logoutClaims(server, claims));
  return new CompactSign(Buffer.from(text))
    .setProtectedHeader({ alg: 'RS256', kid: 'rsa', typ: 'logout+jwt', ...header })
    .sign(key ?? (await keyOf(server)));
}

/** The provider's private RSA key, for one algorithm. */
export async function keyOf(
  { signingKeys }: AuthorizationServer,
  algorithm = 'RS256',
): Promise<Key> {
  const jwk = signingKeys.find(({ kid }) => kid === 'rsa');
  if (!jwk) throw new Error('The authorization server has no RSA key.');
  return importJWK(jwk as Parameters<typeof importJWK>[0], algorithm);
}

/** A key that no provider of ours knows. */
export const unknownKey = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** A text as the key of an HMAC. */
export const secretKey = (text: string): Key => createSecretKey(Buffer.from(text));

/** A part of a token: its JSON in base64url. */
export const part = (json: unknown): string =>
  Buffer.from(JSON.stringify(json)).toString('base64url');

/** What the back-channel endpoint answered. */
export interface LogoutResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  /** Of the problem; `undefined` when it is none. */
  readonly code: string | undefined;
}

/**
 * Sends something to the back-channel endpoint of one replica, as a provider does: no cookie, no
 * header of ours.
 */
export async function post(bff: TestBff, init: RequestInit): Promise<LogoutResponse> {
  const url = `http://127.0.0.1:${bff.port}${bff.options.basePath}/backchannel`;
  const response = await fetch(url, { method: 'POST', redirect: 'manual', ...init });
  const { status, headers } = response;
  const body = await response.text();
  const [, code] = /"code":"(\w+)"/.exec(body) ?? [];
  return { status, headers, body, code };
}

/** Sends a logout token in a form. */
export function send(
  bff: TestBff,
  token: string,
  headers: HeadersInit = {},
): Promise<LogoutResponse> {
  return post(bff, { body: new URLSearchParams({ logout_token: token }), headers });
}

/** Lets the provider sign out whom these claims name, and says what the answer's status was. */
export async function signOut(bff: TestBff, claims: Members): Promise<number> {
  return (await send(bff, await logoutToken(bff.authorizationServer, claims))).status;
}

/**
 * A browser in which somebody has just signed in, with the ID token and the provider's name for the
 * session.
 */
export interface SignedIn {
  readonly browser: TestBrowser;
  readonly idToken: string;
  readonly sid: string;
}

/**
 * Signs a person in, in a browser of its own. The provider must have `backchannelLogout`, or it
 * names no session.
 */
export async function signedInAt(bff: TestBff, person = 'alice'): Promise<SignedIn> {
  let idToken = '';
  bff.authorizationServer.transform('token', (json) => {
    idToken = String(json['id_token']);
    return json;
  });
  const browser = await bff.signedIn(person);
  bff.authorizationServer.transform('token', undefined);
  return { browser, idToken, sid: sidIn(idToken) };
}

/** The provider's name for the session that an ID token is about. */
export function sidIn(idToken: unknown): string {
  const payload = Buffer.from(String(idToken).split('.')[1] ?? '', 'base64url').toString();
  const { sid } = JSON.parse(payload) as { sid?: string };
  if (!sid) throw new Error('The ID token has no sid.');
  return sid;
}

/**
 * What this replica says to a browser's `/bff/user` and to its call of the API: two status codes.
 */
export async function statusesAt(bff: TestBff, browser: TestBrowser): Promise<number[]> {
  const headers = { cookie: browser.cookieHeader(), 'x-csrf': '1' };
  const statusOf = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${bff.port}${path}`, { headers });
    await response.body?.cancel();
    return response.status;
  };
  return Promise.all([statusOf('/bff/user'), statusOf('/api/x')]);
}
