import {
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
} from 'jose';
import type { BearerOptions } from '../../../src/config/options.ts';
import { BearerIssuers } from '../../../src/oauth/bearer/bearer-issuers.ts';
import type { Provider } from '../../../src/oauth/provider/provider.ts';
import { ProviderRegistry } from '../../../src/oauth/provider-registry.ts';
import { frozenClock, type TestClock } from '../../support/time/clock.ts';
import { respondWith, type Handler } from '../../support/upstream/responses.ts';
import { startUpstream, type Upstream } from '../../support/upstream/upstream.ts';

/** A key pair of an issuer, and the JWK that it publishes. */
export interface IssuerKey {
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

/** Creates a key with this id. */
export async function newKey(kid: string, alg = 'ES256'): Promise<IssuerKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } };
}

/** The audience of the access tokens. */
export const audience = 'https://app.example.com/api';

/** Changes to an access token. A member that is `undefined` is removed. */
export interface TokenChanges {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: JWTPayload;
  readonly key?: IssuerKey;
}

/** An authorization server that issues access tokens to clients of the BFF. */
export class TokenIssuer {
  readonly clock: TestClock = frozenClock();
  readonly server: Upstream;
  key: IssuerKey;
  metadata: Handler;
  /** At the address of RFC 8414. */
  oauthMetadata: Handler = respondWith(404);
  jwks: Handler;
  /** The introspection endpoint. */
  introspection: Handler = respondWith(200, { active: false });

  private constructor(server: Upstream, key: IssuerKey) {
    this.server = server;
    this.key = key;
    // Claims are whole seconds.
    this.clock.advance(1000 - (this.clock.now() % 1000));
    this.metadata = respondWith(200, this.published());
    this.jwks = respondWith(200, { keys: [key.jwk] });
    server.handler = (...call) => this.#respond(...call);
  }

  static async start(): Promise<TokenIssuer> {
    return new TokenIssuer(await startUpstream(), await newKey('first'));
  }

  get issuer(): string {
    return this.server.url;
  }

  /** The metadata, with changes. */
  published(changes: object = {}): object {
    const { url } = this.server;
    return {
      issuer: url,
      authorization_endpoint: `${url}/auth`,
      token_endpoint: `${url}/token`,
      jwks_uri: `${url}/jwks`,
      ...changes,
    };
  }

  /** The number of requests to this path. */
  requestsTo(path: string): number {
    return this.server.requests.filter((request) => request.path === path).length;
  }

  /** The claims of a valid access token. */
  claims(): JWTPayload {
    const now = Math.floor(this.clock.now() / 1000);
    return {
      iss: this.issuer,
      aud: audience,
      sub: 'alice',
      client_id: 'cli',
      jti: 'token-1',
      iat: now,
      exp: now + 300,
      scope: 'orders:read orders:write',
    };
  }

  /** An access token, valid without changes. */
  async token({ header, claims, key = this.key }: TokenChanges = {}): Promise<string> {
    return new SignJWT({ ...this.claims(), ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: key.jwk.kid, ...header } as never)
      .sign(key.privateKey, { crit: { x: true } });
  }

  /** The issuers of a BFF that accepts the tokens of this issuer. */
  issuers(changes: object = {}, providers: readonly Provider[] = []): BearerIssuers {
    const options = { issuer: this.issuer, audience, timeout: 300_000, ...changes };
    return new BearerIssuers(
      { issuers: [options] } as unknown as BearerOptions,
      new ProviderRegistry(providers, 'https://app.example.com/bff'),
      this.clock.now,
      () => () => undefined,
    );
  }

  /** The issuers of a BFF that introspects opaque tokens here. */
  introspecting(changes: object = {}): BearerIssuers {
    const endpoint = `${this.issuer}/introspect`;
    const client = { clientId: 'b:ff', clientSecret: 's e+c/ret', allowMissingAudience: false };
    return this.issuers({ introspection: { endpoint, ...client, ...changes } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }

  #respond(...call: Parameters<Handler>): unknown {
    const path = (call[0].url ?? '').split('?', 1)[0] ?? '';
    const handlers: Readonly<Record<string, Handler>> = {
      '/.well-known/openid-configuration': this.metadata,
      '/.well-known/oauth-authorization-server': this.oauthMetadata,
      '/jwks': this.jwks,
      '/introspect': this.introspection,
    };
    return (handlers[path] ?? respondWith(404))(...call);
  }
}

/** The rule that refused a token, for the log: `access token: typ is not at+jwt`. */
export async function refusalOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    const { code, cause } = error as { code?: string; cause?: { message?: string } };
    return `${code}: ${cause?.message}`;
  }
  return 'accepted';
}
