import type { IncomingMessage } from 'node:http';
import { BffError } from '../../errors.ts';

/** An access token in the `Authorization` header of a request. */
export interface Credentials {
  /** How the token was presented: by RFC 6750 §2.1, or with a proof by RFC 9449 §7.1. */
  readonly scheme: 'Bearer' | 'DPoP';
  readonly token: string;
}

/** The two schemes and the syntax `token68` of their tokens (RFC 9110 §11.2). */
const pattern = /^(?:(bearer)|dpop) +([A-Za-z0-9._~+/-]+=*)$/i;

/**
 * Reads the access token of a request. Returns `undefined` for a request with no token in a scheme
 * that we know. Throws `invalid_request` for several `Authorization` fields, which two servers
 * could read differently, and `invalid_token` for a malformed token.
 */
export function readCredentials({ headersDistinct }: IncomingMessage): Credentials | undefined {
  const [field, ...others] = headersDistinct['authorization'] ?? [];
  if (others.length > 0) throw refusal('invalid_request', 'several Authorization fields');
  if (field === undefined) return undefined;
  const [, bearer, token] = pattern.exec(field) ?? [];
  if (token !== undefined) return { scheme: bearer === undefined ? 'DPoP' : 'Bearer', token };
  if (/^(?:bearer|dpop)(?: |$)/i.test(field)) throw refusal('invalid_token', 'a malformed token');
  return undefined;
}

function refusal(code: 'invalid_request' | 'invalid_token', reason: string): BffError {
  return new BffError(code, { cause: new Error(reason) });
}
