import type { Clock } from '../../clock.ts';
import type { BearerOptions } from '../../config/options.ts';
import { BffError } from '../../errors.ts';
import { verifyWithKeys } from '../client/signature.ts';
import type { ProviderRegistry } from '../provider-registry.ts';
import type { KeysListener } from '../provider/keys.ts';
import { Introspection, type IntrospectingIssuer } from './introspection.ts';
import {
  type BearerIssuerOptions,
  discoveringConnection,
  type IssuerConnection,
  providerConnection,
} from './issuer-connection.ts';
import { checkClaims, checkHeader, decodeJwt, type UnverifiedJwt } from './jwt-access-token.ts';
import { nameOfToken, Remembered } from './remembered.ts';
import { invalidToken } from './token-claims.ts';
import type { VerifiedToken } from './verified-token.ts';

/** The maximum length of an access token, in characters. */
const longestToken = 16 * 1024;

/** How long a verified token is remembered at most, in milliseconds. */
const rememberedFor = 60 * 1000;

/** The limits of the memory: 10,000 verified tokens, and 8 million characters of their claims. */
const memoryLimits = { mostValues: 10_000, largestSum: 8 * 1024 * 1024 };

/** The prefix of the access tokens of our own authorization server. No issuer sees them. */
const ownPrefix = 'pxb_';

interface BearerIssuer {
  readonly options: BearerIssuerOptions;
  readonly connection: IssuerConnection;
}

/**
 * The authorization servers of `bearer.issuers`, whose access tokens clients may call with. Verified
 * tokens are remembered for at most a minute, so that a client costs no signature check per call.
 */
export class BearerIssuers {
  readonly #byIssuer: ReadonlyMap<string, BearerIssuer>;
  /** At most one issuer has introspection. */
  readonly #introspection: Introspection | undefined;
  readonly #verified: Remembered<VerifiedToken>;
  readonly #running = new Map<string, Promise<VerifiedToken>>();

  constructor(
    { issuers }: BearerOptions,
    providers: ProviderRegistry,
    private readonly clock: Clock,
    listener: (issuer: string) => KeysListener,
  ) {
    this.#verified = new Remembered(memoryLimits, clock);
    this.#byIssuer = new Map(
      issuers.map((options) => {
        const { issuer } = options;
        const provider = providers.all.find((one) => isSameIssuer(one.options, issuer));
        const connection = provider
          ? providerConnection(provider)
          : discoveringConnection(options, clock, listener(issuer));
        return [issuer, { options, connection }];
      }),
    );
    for (const { options, connection } of this.#byIssuer.values())
      if (isIntrospecting(options))
        this.#introspection = new Introspection(options, connection.fetch, this.#verified, clock);
  }

  /**
   * Verifies an access token of a client. Returns no promise if the result is remembered. Throws or
   * rejects with `invalid_token`, `provider_unavailable` if the issuer cannot be reached and no
   * keys are cached, and `rate_limited` if too many introspections are running.
   */
  verify(token: string): VerifiedToken | Promise<VerifiedToken> {
    if (token.length > longestToken)
      throw invalidToken(`it is longer than ${longestToken} characters`);
    const name = nameOfToken(token);
    return this.#verified.get(name) ?? this.#running.get(name) ?? this.#begin(name, token);
  }

  /** Calls with the same token at the same moment share one verification. */
  #begin(name: string, token: string): Promise<VerifiedToken> {
    const begun = this.#verify(token).finally(() => this.#running.delete(name));
    this.#running.set(name, begun);
    return begun;
  }

  async #verify(token: string): Promise<VerifiedToken> {
    // `b64token` (RFC 6750 §2.1).
    if (!/^[\w.~+/-]+=*$/.test(token)) throw invalidToken('it has characters of no access token');
    if (token.startsWith(ownPrefix)) throw invalidToken('it is no token of an issuer');
    const jwt = decodeJwt(token);
    if (jwt) return this.#verifyJwt(token, jwt);
    if (!this.#introspection) throw invalidToken('it is no JWT, and no issuer has introspection');
    return this.#introspection.verify(token);
  }

  /** Cheap checks come first, so that invented tokens cost no signature check or key request. */
  async #verifyJwt(token: string, { header, claims }: UnverifiedJwt): Promise<VerifiedToken> {
    if (!claims) throw invalidToken('its payload is no JSON object');
    const { iss } = claims;
    const issuer = typeof iss === 'string' ? this.#byIssuer.get(iss) : undefined;
    if (!issuer) throw invalidToken('iss is none of bearer.issuers');
    const { options, connection } = issuer;
    checkHeader(header, connection.algorithms);
    const result = checkClaims(claims, options, this.clock());
    await connection.whileAlive(verifySignature(token, connection));
    const until = Math.min(result.expiresAt, this.clock() + rememberedFor);
    this.#verified.set(nameOfToken(token), result, until, token.length);
    return result;
  }
}

async function verifySignature(token: string, issuer: IssuerConnection): Promise<void> {
  try {
    await verifyWithKeys(await issuer.keys(), token, 'client', issuer.algorithms);
  } catch (error) {
    if (error instanceof BffError) throw unavailable(error);
    throw invalidToken('its signature does not hold', error);
  }
}

/** Problems with the issuer's metadata or keys do not make the token invalid. */
function unavailable(error: BffError): BffError {
  if (error.code === 'provider_unavailable') return error;
  return new BffError('provider_unavailable', { cause: error });
}

/** A provider without OpenID Connect has no keys to share. */
function isSameIssuer(
  provider: { readonly type: string; readonly issuer: string },
  issuer: string,
): boolean {
  return provider.type !== 'oauth2' && provider.issuer === issuer;
}

function isIntrospecting(options: BearerIssuerOptions): options is IntrospectingIssuer {
  return options.introspection !== undefined;
}
