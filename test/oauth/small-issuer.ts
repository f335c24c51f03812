import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import type { ProviderOptions } from '../../src/config/options.ts';
import { Provider } from '../../src/oauth/provider/provider.ts';
import { respondWith, type Handler } from '../support/upstream/responses.ts';
import { startUpstream, type Upstream } from '../support/upstream/upstream.ts';

const keys = await generateKeyPair('ES256');
const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'ec', use: 'sig' };

/** A few lines of an authorization server, for what a real one would not say. */
export class SmallIssuer {
  readonly server: Upstream;
  readonly provider: Provider;
  /** What the endpoints answer with. */
  token: Handler = respondWith(500);
  jwks: Handler = respondWith(200, { keys: [jwk] });

  private constructor(server: Upstream, clock: () => number) {
    this.server = server;
    const options = {
      id: 'corp',
      issuer: server.url,
      clientId: 'client',
      clientAuth: 'client_secret_basic',
      clientSecret: 'secret',
      scopes: ['openid'],
      idTokenAlgorithms: ['ES256'],
      timeout: 3000,
      maxResponse: 100_000,
    };
    this.provider = new Provider(options as unknown as ProviderOptions, clock);
    server.handler = (...call) => this.#respond(...call);
  }

  static async start(clock: () => number = Date.now): Promise<SmallIssuer> {
    return new SmallIssuer(await startUpstream(), clock);
  }

  /** An ID token for the subject `alice`. */
  idToken(claims: JWTPayload = {}): Promise<string> {
    return new SignJWT({ sub: 'alice', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'ec' })
      .setIssuer(this.server.url)
      .setAudience('client')
      .setIssuedAt()
      .setExpirationTime('5 minutes')
      .sign(keys.privateKey);
  }

  /** Answers the next token requests with a token and these members. */
  respondWithTokens(members: object): void {
    this.token = respondWith(200, { access_token: 'fresh', token_type: 'Bearer', ...members });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }

  #respond(...call: Parameters<Handler>): unknown {
    const { url } = this.server;
    const endpoint = { '/token': this.token, '/jwks': this.jwks }[call[0].url ?? ''];
    const metadata = {
      issuer: url,
      authorization_endpoint: `${url}/auth`,
      token_endpoint: `${url}/token`,
      jwks_uri: `${url}/jwks`,
    };
    return (endpoint ?? respondWith(200, metadata))(...call);
  }
}
