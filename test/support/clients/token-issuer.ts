import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { respondWith } from '../upstream/responses.ts';
import { startUpstream, type Upstream } from '../upstream/upstream.ts';

const algorithm = 'ES256';

/** An authorization server that does nothing but sign access tokens (RFC 9068). */
export class TokenIssuer {
  private constructor(
    private readonly server: Upstream,
    private readonly privateKey: CryptoKey,
    private readonly audience: string,
  ) {}

  /** Starts its metadata and its key set. */
  static async start(audience = 'api'): Promise<TokenIssuer> {
    const pair = await generateKeyPair(algorithm);
    const key = { ...(await exportJWK(pair.publicKey)), kid: 'one', use: 'sig', alg: algorithm };
    const server = await startUpstream();
    const metadata = {
      issuer: server.url,
      jwks_uri: `${server.url}/jwks`,
      authorization_endpoint: `${server.url}/authorize`,
      token_endpoint: `${server.url}/token`,
      response_types_supported: ['code'],
    };
    server.handler = (request, ...others) => {
      const isKeys = request.url === '/jwks';
      return respondWith(200, isKeys ? { keys: [key] } : metadata)(request, ...others);
    };
    return new TokenIssuer(server, pair.privateKey, audience);
  }

  /** The issuer identifier. */
  get issuer(): string {
    return this.server.url;
  }

  /** The option `bearer.issuers[]` for this issuer. */
  get option() {
    return { issuer: this.issuer, audience: this.audience };
  }

  /** How many requests it has received. */
  get requests(): number {
    return this.server.requests.length;
  }

  /** An access token of alice, valid for five minutes; `changes` replace or remove claims. */
  issue(changes: JWTPayload = {}, now = Date.now()): Promise<string> {
    const seconds = Math.floor(now / 1000);
    const claims = {
      iss: this.issuer,
      aud: this.audience,
      sub: 'alice',
      client_id: 'robot',
      jti: randomUUID(),
      iat: seconds,
      exp: seconds + 300,
      ...changes,
    };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: 'one' })
      .sign(this.privateKey);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }
}
