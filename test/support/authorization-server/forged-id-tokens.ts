import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { decodeJwt, importJWK, type JWTPayload, SignJWT } from 'jose';
import type { AuthorizationServer } from './authorization-server.ts';
import type { Arrange, HostileServerSetup } from './hostile-server-setup.ts';

/** What it takes to write an ID token of one's own. */
export interface Forge {
  readonly setup: HostileServerSetup;
  /** What the authorization server says. */
  readonly claims: JWTPayload;
  /** The token as it made it. */
  readonly genuine: string;
  /** Signs like the authorization server, with the key of that name. */
  sign(claims: object, header?: object, kid?: string): Promise<string>;
}

/** Makes an ID token, or something else in its place. */
export type IdToken = (forge: Forge) => unknown;

/** Makes the token endpoint respond with this ID token. */
export const withIdToken =
  (make: IdToken): Arrange =>
  (setup) => {
    setup.tokens = async (response) => {
      const genuine = String(response['id_token']);
      const sign: Forge['sign'] = (claims, header, kid) =>
        signAs(setup.server, claims, header, kid);
      const idToken = await make({ setup, claims: decodeJwt(genuine), genuine, sign });
      return { ...response, id_token: idToken };
    };
  };

/**
 * A genuine ID token but for these claims; `undefined` takes one away. Times are made when they are
 * needed.
 */
export const changes =
  (values: object | (() => object)): IdToken =>
  ({ claims, sign }) =>
    sign({ ...claims, ...(typeof values === 'function' ? (values() as object) : values) });

/** Signs like the authorization server, with its key of that name: `rsa`, `ec` or `ed`. */
export async function signAs(
  server: AuthorizationServer,
  claims: object,
  header: object = {},
  kid = 'rsa',
): Promise<string> {
  const jwk = server.signingKeys.find((candidate) => candidate.kid === kid);
  const whole = { alg: { rsa: 'RS256', ec: 'ES256', ed: 'EdDSA' }[kid] ?? 'RS256', kid, ...header };
  const key = await importJWK(jwk as never, whole.alg);
  return new SignJWT(claims as JWTPayload).setProtectedHeader(whole).sign(key);
}

/** A key that the authorization server does not publish. */
export const unknownKey = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** Signs with that, under the name of the authorization server's key. */
export function signedByUnknownKey(claims: JWTPayload, header: object = {}): Promise<string> {
  const whole = { alg: 'RS256', kid: 'rsa', ...header };
  return new SignJWT(claims).setProtectedHeader(whole).sign(unknownKey.privateKey);
}

/** Signs with HMAC, as a library does that lets the token choose its algorithm. */
export function symmetric(claims: JWTPayload, key: string | Buffer): string {
  const text = `${base64url({ alg: 'HS256', kid: 'rsa' })}.${base64url(claims)}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

/** A part of a token. */
export function base64url(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return Buffer.from(text).toString('base64url');
}

/** The public half of the key that the authorization server signs with. */
export function publicKeyOf(server: AuthorizationServer): KeyObject {
  const jwk = server.signingKeys.find(({ kid }) => kid === 'rsa');
  return createPublicKey({ key: jwk as never, format: 'jwk' });
}
