import {
  createRemoteJWKSet,
  errors,
  type JWTHeaderParameters,
  type JWTPayload,
  jwtVerify,
} from 'jose';

/** Whose access tokens the API accepts. */
export interface AccessTokenRules {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUri: string;
}

/** An access token that passed every check. */
export interface AccessToken {
  readonly sub: string;
  readonly scopes: ReadonlySet<string>;
  readonly claims: JWTPayload;
  readonly validation: Validation;
}

/** What was checked, in order, and how long it took. */
export interface Validation {
  readonly startedAt: number;
  readonly tookMs: number;
  readonly checks: readonly { readonly name: string; readonly found: string }[];
}

/** Why a request may not pass, as RFC 6750 §3.1 has it. */
export class Refusal extends Error {
  readonly status: number;
  readonly error: string | undefined;
  readonly scope: string | undefined;

  constructor(status: number, message: string, error?: string, scope?: string) {
    super(message);
    this.status = status;
    this.error = error;
    this.scope = scope;
  }
}

/** Checks an `Authorization` header against the rules of RFC 9068 §4; throws a `Refusal`. */
export type AccessTokenValidator = (authorization: string | undefined) => Promise<AccessToken>;

const algorithms = ['RS256'];

/** A validator that fetches the issuer's keys when it first needs them and keeps them. */
export function createAccessTokenValidator(rules: AccessTokenRules): AccessTokenValidator {
  const keys = createRemoteJWKSet(new URL(rules.jwksUri), { timeoutDuration: 5000 });
  const expected = { issuer: rules.issuer, audience: rules.audience, typ: 'at+jwt', algorithms };
  return async (authorization) => {
    const token = readBearer(authorization);
    const startedAt = Date.now();
    const clock = performance.now();
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      ...expected,
      requiredClaims: ['sub', 'exp'],
      clockTolerance: 5,
    }).catch((error: unknown) => {
      throw toRefusal(error);
    });
    const tookMs = Math.round((performance.now() - clock) * 1000) / 1000;
    return {
      sub: payload.sub ?? '',
      scopes: new Set(String(payload.scope ?? '').split(' ')),
      claims: payload,
      validation: { startedAt, tookMs, checks: describeChecks(payload, protectedHeader) },
    };
  };
}

/** Throws `insufficient_scope` unless the token carries the scope (RFC 6750 §3.1). */
export function requireScope({ scopes }: AccessToken, scope: string): void {
  if (scopes.has(scope)) return;
  throw new Refusal(403, `This needs the scope ${scope}.`, 'insufficient_scope', scope);
}

function readBearer(authorization: string | undefined): string {
  // Without any attempt to authenticate the answer names no error code (RFC 6750 §3.1).
  if (!authorization) throw new Refusal(401, 'An access token is needed.');
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(authorization) ?? [];
  if (!token)
    throw new Refusal(400, 'The Authorization header is no bearer token.', 'invalid_request');
  return token;
}

function toRefusal(error: unknown): Refusal {
  const isUnreachable = error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError);
  if (isUnreachable)
    return new Refusal(503, 'The keys of the authorization server are out of reach.');
  return new Refusal(401, `The access token was refused: ${error.message}.`, 'invalid_token');
}

function describeChecks(claims: JWTPayload, header: JWTHeaderParameters): Validation['checks'] {
  const secondsLeft = (claims.exp ?? 0) - Math.floor(Date.now() / 1000);
  return [
    { name: 'type', found: String(header.typ) },
    { name: 'signature', found: `${header.alg}, key ${header.kid}` },
    { name: 'issuer', found: String(claims.iss) },
    { name: 'audience', found: String(claims.aud) },
    { name: 'expiry', found: `${secondsLeft} s left` },
    { name: 'scope', found: String(claims.scope ?? '') },
  ];
}
