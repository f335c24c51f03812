import { decodeJwt } from 'jose';
import { BffError } from '../../errors.ts';
import type { Provider } from '../provider/provider.ts';
import { verifySignature } from '../client/signature.ts';

/** How far the provider's clock may be behind ours, in milliseconds. */
const clockTolerance = 30_000;

/** Claims about the token that are not parameters of the response. */
const aboutTheToken = new Set(['aud', 'exp', 'iat', 'nbf', 'jti']);

/** The maximum length of a signed response that is decoded before verification, in characters. */
const longestUnverified = 16 * 1024;

type Claims = Readonly<Record<string, unknown>>;

/**
 * Returns the parameters of an authorization response. If the provider must sign its responses,
 * only the signed parameters count (JARM §2.4). Throws `invalid_request` if the signed response is
 * missing or invalid, `login_expired` if it has expired, and `provider_unavailable` if the keys
 * cannot be fetched.
 */
export async function readAuthorizationResponse(
  provider: Provider,
  response: URLSearchParams,
  now: number,
): Promise<URLSearchParams> {
  if (!provider.options.jarm) return response;
  const encoded = response.get('response');
  if (!encoded) throw refused('response is missing');
  const claims = await provider.whileAlive(verified(provider, encoded));
  checkParties(claims, provider);
  // "The client obtains the value of the exp claim … and rejects the response if it is expired"
  // (JARM §2.4).
  const { exp } = claims;
  if (typeof exp !== 'number') throw refused('exp is missing');
  if (exp * 1000 + clockTolerance <= now) throw new BffError('login_expired');
  return parametersIn(claims);
}

/**
 * Returns the unverified `state` of a response, or `undefined` if it has none. Any client can send
 * a response, even without a pending login, so a signed response of more than 16 KB is not decoded.
 */
export function claimedState(
  { options: { jarm } }: Provider,
  response: URLSearchParams,
): string | undefined {
  if (!jarm) return response.get('state') ?? undefined;
  const encoded = response.get('response') ?? '';
  if (encoded.length > longestUnverified) return undefined;
  try {
    const { state } = decodeJwt(encoded);
    return typeof state === 'string' ? state : undefined;
  } catch {
    return undefined; // not a JWT
  }
}

async function verified(provider: Provider, encoded: string): Promise<Claims> {
  const { idTokenAlgorithms } = provider.options;
  try {
    const payload = await verifySignature(provider, encoded, 'client', idTokenAlgorithms);
    return JSON.parse(Buffer.from(payload).toString('utf8')) as Claims;
  } catch (error) {
    if (error instanceof BffError) throw error;
    throw refused('the signature of response is not valid', error);
  }
}

function checkParties(claims: Claims, { options: { issuer, clientId } }: Provider): void {
  if (claims['iss'] !== issuer) throw refused('iss names another issuer');
  if (![claims['aud']].flat().includes(clientId)) throw refused('aud names another client');
}

function parametersIn(claims: Claims): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(claims))
    if (typeof value === 'string' && !aboutTheToken.has(name)) parameters.set(name, value);
  return parameters;
}

function refused(what: string, cause?: unknown): BffError {
  return new BffError('invalid_request', {
    cause: new Error(`authorization response: ${what}`, { cause }),
  });
}
