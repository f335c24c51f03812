import type { CustomFetch } from 'openid-client';
import { BffError, reasonOf } from '../../errors.ts';
import { clientSecretBasic } from '../client/client-secret-basic.ts';
import { outageBehind } from '../errors.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { Claims } from '../login/claims.ts';
import { Liveness } from '../provider/liveness.ts';
import type { BearerIssuerOptions } from './issuer-connection.ts';
import { nameOfToken, Remembered } from './remembered.ts';
import { checkParties, checkTimes, invalidToken, verifiedToken } from './token-claims.ts';
import type { VerifiedToken } from './verified-token.ts';

/** How long the result for a valid token is remembered, in milliseconds. */
const validLifetime = 60 * 1000;

/**
 * How long the result for a token that is not valid is remembered, in milliseconds. A new token can
 * reach us before all servers of its issuer know it.
 */
const invalidLifetime = 10 * 1000;

/** The limit for tokens that are not valid. They are invented at no cost. */
const invalidLimits = { mostValues: 10_000, largestSum: Infinity };

/** The maximum number of requests at once. */
const mostRequests = 50;

/** How many of them are kept for tokens that were valid before. */
const reserved = 10;

/** The backoff after the issuer could not be reached, in milliseconds. */
const outageBackoff = 1000;

/** One issuer whose opaque access tokens are valid if its introspection endpoint says so. */
export type IntrospectingIssuer = BearerIssuerOptions & {
  readonly introspection: NonNullable<BearerIssuerOptions['introspection']>;
};

interface IntrospectionResponse {
  readonly response: JsonObject;
  /** The length of the response, in characters. */
  readonly size: number;
}

/**
 * Verifies opaque access tokens at an introspection endpoint (RFC 7662). There is one request at a
 * time per token, and a limited number for all tokens, so that invented tokens cannot flood the
 * issuer. Tokens that are not valid are remembered for ten seconds.
 */
export class Introspection {
  readonly #running = new Map<string, Promise<VerifiedToken>>();
  /** The reasons why tokens are not valid. */
  readonly #invalid: Remembered<string>;
  readonly #liveness: Liveness;
  #outage: { readonly error: BffError; readonly at: number } | undefined;

  constructor(
    private readonly options: IntrospectingIssuer,
    private readonly fetch: CustomFetch,
    /** The tokens that were verified, by `nameOfToken`. Results are added to it. */
    private readonly verified: Remembered<VerifiedToken>,
    private readonly clock: () => number,
  ) {
    this.#invalid = new Remembered(invalidLimits, clock);
    this.#liveness = new Liveness((signal) => this.#probe(signal));
  }

  /**
   * Verifies a token. Throws `invalid_token`, `provider_unavailable` if the issuer does not respond
   * or refuses our credentials, and `rate_limited` if too many requests are running.
   */
  async verify(token: string): Promise<VerifiedToken> {
    const name = nameOfToken(token);
    const reason = this.#invalid.get(name);
    if (reason !== undefined) throw new BffError('invalid_token', { cause: new Error(reason) });
    if (this.#outage && this.clock() - this.#outage.at < outageBackoff) throw this.#outage.error;
    const running = this.#running.get(name) ?? this.#begin(name, token);
    try {
      return await this.#liveness.whileAlive(running);
    } catch (error) {
      if (error instanceof BffError && outageBehind(error)?.isUnreachable)
        this.#outage = { error, at: this.clock() };
      throw error;
    }
  }

  #begin(name: string, token: string): Promise<VerifiedToken> {
    const most = this.verified.has(name) ? mostRequests : mostRequests - reserved;
    // During an outage the requests are too many because they hang.
    if (this.#running.size >= most) throw this.#outage?.error ?? tooMany(this.#running.size);
    const begun = this.#verify(name, token).finally(() => this.#running.delete(name));
    this.#running.set(name, begun);
    return begun;
  }

  async #verify(name: string, token: string): Promise<VerifiedToken> {
    try {
      const { response, size } = await this.#introspect(token);
      const now = this.clock();
      const result = checkIntrospection(response, this.options, now);
      const until = Math.min(result.expiresAt, now + validLifetime);
      this.verified.set(name, result, until, token.length + size);
      return result;
    } catch (error) {
      if (error instanceof BffError && error.code === 'invalid_token') {
        this.verified.delete(name);
        this.#invalid.set(name, reasonOf(error), this.clock() + invalidLifetime, 0);
      }
      throw error;
    }
  }

  /** Asks the issuer (RFC 7662 §2.1). Returns its response and the length of that. */
  async #introspect(token: string): Promise<IntrospectionResponse> {
    const { endpoint, clientId, clientSecret } = this.options.introspection;
    const headers = new Headers({
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
    });
    const body = new URLSearchParams({ token, token_type_hint: 'access_token' });
    const metadata = { issuer: this.options.issuer };
    await clientSecretBasic(clientSecret)(metadata, { client_id: clientId }, body, headers);
    const response = await this.fetch(endpoint, {
      method: 'POST',
      headers: Object.fromEntries(headers),
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(this.options.timeout),
    });
    this.#outage = undefined;
    const text = await response.text();
    if (response.status !== 200) throw refusedUs(`responded with ${response.status}`);
    const json = parse(text);
    if (!isJsonObject(json)) throw refusedUs('responded with something else than a JSON object');
    return { response: json, size: text.length };
  }

  /** Any response shows that the issuer is alive. */
  async #probe(signal: AbortSignal): Promise<void> {
    await this.fetch(this.options.introspection.endpoint, {
      method: 'GET',
      headers: {},
      body: undefined,
      redirect: 'manual',
      signal,
    });
  }
}

/**
 * Checks an introspection response (RFC 7662 §2.2) and returns what it says about the token. A
 * member that is `null` counts as missing. Without `exp` the token ends with the memory of this
 * response. Throws `invalid_token`.
 */
export function checkIntrospection(
  response: JsonObject,
  options: IntrospectingIssuer,
  now: number,
): VerifiedToken {
  if (response['active'] !== true) throw invalidToken('the issuer says that it is not active');
  const claims = withoutNull(response);
  checkParties(withDefaults(claims, options), options);
  checkType(claims);
  const expiresAt = checkTimes(claims, now) ?? now + validLifetime;
  const result = verifiedToken(claims, options, expiresAt);
  const isDpop = String(claims['token_type']).toLowerCase() === 'dpop';
  if (isDpop && result.keyThumbprint === undefined)
    throw invalidToken('it is bound to a key, but the issuer does not say to which (cnf.jkt)');
  return result;
}

function tooMany(running: number): BffError {
  const cause = new Error(`${running} introspection requests are running`);
  return new BffError('rate_limited', { cause, headers: { 'Retry-After': '1' } });
}

/** Only members that the response lacks are filled in. `aud` is one only if that is allowed. */
function withDefaults(claims: Claims, { issuer, audience, introspection }: IntrospectingIssuer) {
  return {
    iss: issuer,
    ...(introspection.allowMissingAudience && { aud: audience }),
    ...claims,
  };
}

/** Some servers introspect refresh tokens too, which are no access tokens. */
function checkType({ token_type: type, token_use: use }: Claims): void {
  if (type === 'refresh_token' || use === 'refresh_token')
    throw invalidToken('it is a refresh token');
}

function withoutNull(response: JsonObject): Claims {
  return Object.fromEntries(Object.entries(response).filter(([, value]) => value !== null));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes its input, so it is dropped.
    return undefined;
  }
}

/** The fault is the issuer's or our configuration's, not the client's. */
function refusedUs(what: string): BffError {
  return new BffError('provider_unavailable', {
    cause: new Error(`the introspection endpoint ${what}`),
  });
}
