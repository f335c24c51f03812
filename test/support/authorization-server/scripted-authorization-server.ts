import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { closeServer, createHttpServer, listen } from '../upstream/upstream.ts';

/** What one sign-in at the authorization server gave out, from its code to its last tokens. */
export interface Grant {
  readonly sub: string;
  readonly sid: string;
  readonly nonce: string;
  readonly codeChallenge: string;
  /** When its code was redeemed, in `Script.tick`s; undefined before that. */
  redeemedAt?: number;
  /** The one refresh token that is good now. */
  refreshToken?: string;
  isRevoked: boolean;
}

/** What a test decides while the server runs. */
export interface Script {
  /** Orders what happens here among what happens elsewhere: a larger number each time. */
  tick(): number;
  /** Waits before and after a response is made. */
  pause(): Promise<unknown>;
  /**
   * The lifetime of the subject's next access token, in seconds; with 0 it has expired when it is
   * issued.
   */
  lifetime(sub: string): number;
}

/** The client every test is, at this server. */
export const scriptedClient = { clientId: 'scripted', clientSecret: 'a secret for tests' } as const;

/**
 * A fast and strict authorization server. Refresh tokens rotate, and one that is used twice ends
 * its grant (RFC 9700 §4.14.2). Revoking a used token revokes nothing. It remembers the owner of
 * every token, and every request that breaks a rule.
 */
export class ScriptedAuthorizationServer {
  /** What its client did that no good client does. */
  readonly violations: string[] = [];
  readonly script: Script;
  /** The number of requests without a response yet. */
  underWay = 0;
  readonly #codes = new Map<string, Grant>();
  readonly #accessTokens = new Map<string, Grant>();
  /** Spent ones too. */
  readonly #refreshTokens = new Map<string, Grant>();
  readonly #sign: Signer;
  readonly #jwk: object;
  readonly #server = createHttpServer((request, response) => {
    this.#respond(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  #port = 0;

  private constructor(script: Script, sign: Signer, jwk: object) {
    this.script = script;
    this.#sign = sign;
    this.#jwk = jwk;
  }

  /** Starts one on a loopback port of its own. */
  static async start(script: Script): Promise<ScriptedAuthorizationServer> {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'ec', alg: 'ES256', use: 'sig' };
    const sign: Signer = (claims, typ) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'ec', typ }).sign(privateKey);
    const server = new ScriptedAuthorizationServer(script, sign, jwk);
    server.#port = (await listen(server.#server, 0)).port;
    return server;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /**
   * What the authorization endpoint does when this person has signed in there: where the browser
   * goes on, and the grant.
   */
  authorize(request: URL, sub: string, sid: string): { callback: URL; grant: Grant } {
    const { searchParams } = request;
    const parameter = (name: string) => searchParams.get(name) ?? '';
    const codeChallenge = parameter('code_challenge');
    const grant: Grant = { sub, sid, nonce: parameter('nonce'), codeChallenge, isRevoked: false };
    const code = newToken('code');
    this.#codes.set(code, grant);
    const callback = new URL(parameter('redirect_uri'));
    const parameters = { code, state: parameter('state'), iss: this.issuer };
    callback.search = String(new URLSearchParams(parameters));
    return { callback, grant };
  }

  /** A token for `POST /bff/backchannel` (OIDC Back-Channel Logout §2.4). */
  logoutToken(names: { readonly sub: string } | { readonly sid: string }): Promise<string> {
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
    const claims = { ...this.#claims(120), ...names, events, jti: newToken('jti') };
    return this.#sign(claims, 'logout+jwt');
  }

  /** What an access token was made from. */
  grantOf(accessToken: string): Grant | undefined {
    return this.#accessTokens.get(accessToken);
  }

  /** Forgets every grant and every complaint. */
  forget(): void {
    for (const tokens of [this.#codes, this.#accessTokens, this.#refreshTokens]) tokens.clear();
    this.violations.length = 0;
  }

  async close(): Promise<void> {
    await closeServer(this.#server);
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [status, body] = await this.#responseTo(request);
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(JSON.stringify(body));
  }

  async #responseTo(request: IncomingMessage): Promise<ScriptedResponse> {
    switch (request.url) {
      case '/.well-known/openid-configuration':
        return [200, this.#metadata()];
      case '/jwks':
        return [200, { keys: [this.#jwk] }];
      case '/token':
        return this.#atItsPace(request, (form) => this.#token(form));
      case '/revocation':
        return this.#atItsPace(request, (form) => this.#revoke(form));
      default:
        return [404, {}];
    }
  }

  async #atItsPace(
    request: IncomingMessage,
    handle: (form: URLSearchParams) => ScriptedResponse | Promise<ScriptedResponse>,
  ): Promise<ScriptedResponse> {
    this.underWay += 1;
    try {
      const form = new URLSearchParams(await text(request));
      await this.script.pause();
      const parameters = await handle(form);
      await this.script.pause();
      return parameters;
    } finally {
      this.underWay -= 1;
    }
  }

  #token(form: URLSearchParams): ScriptedResponse | Promise<ScriptedResponse> {
    return form.get('grant_type') === 'refresh_token' ? this.#refresh(form) : this.#redeem(form);
  }

  async #redeem(form: URLSearchParams): Promise<ScriptedResponse> {
    const code = form.get('code') ?? '';
    const grant = this.#codes.get(code);
    if (!grant) return this.#refuse(`a code that is unknown or was redeemed before`);
    this.#codes.delete(code);
    const verifier = createHash('sha256').update(form.get('code_verifier') ?? '');
    if (verifier.digest('base64url') !== grant.codeChallenge) {
      return this.#refuse('a code with a verifier that does not belong to it');
    }
    grant.redeemedAt = this.script.tick();
    const { sub, sid, nonce } = grant;
    const idToken = await this.#sign({ ...this.#claims(3600), sub, sid, nonce }, 'JWT');
    return [200, { ...this.#issue(grant), id_token: idToken }];
  }

  #refresh(form: URLSearchParams): ScriptedResponse {
    const token = form.get('refresh_token') ?? '';
    const grant = this.#refreshTokens.get(token);
    if (!grant) return this.#refuse('an unknown refresh token');
    if (grant.isRevoked) return invalidGrant;
    if (grant.refreshToken === token) return [200, this.#issue(grant)];
    grant.isRevoked = true;
    return this.#refuse(`a refresh token of ${grant.sub} for the second time`);
  }

  #issue(grant: Grant): object {
    const [accessToken, refreshToken] = [newToken('at'), newToken('rt')];
    this.#accessTokens.set(accessToken, grant);
    this.#refreshTokens.set(refreshToken, grant);
    grant.refreshToken = refreshToken;
    return {
      token_type: 'Bearer',
      access_token: accessToken,
      refresh_token: refreshToken,
      expires_in: this.script.lifetime(grant.sub),
    };
  }

  #revoke(form: URLSearchParams): ScriptedResponse {
    const token = form.get('token') ?? '';
    const grant = this.#refreshTokens.get(token);
    if (grant?.refreshToken === token) grant.isRevoked = true;
    return [200, {}];
  }

  #refuse(what: string): ScriptedResponse {
    this.violations.push(`the token endpoint was sent ${what}`);
    return invalidGrant;
  }

  #claims(lifetime: number): JWTPayload {
    const now = Math.floor(Date.now() / 1000);
    return { iss: this.issuer, aud: scriptedClient.clientId, iat: now, exp: now + lifetime };
  }

  #metadata(): object {
    const { issuer } = this;
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      revocation_endpoint: `${issuer}/revocation`,
      jwks_uri: `${issuer}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    };
  }
}

type Signer = (claims: JWTPayload, typ: string) => Promise<string>;
type ScriptedResponse = readonly [status: number, body: object];

const invalidGrant: ScriptedResponse = [400, { error: 'invalid_grant' }];

function newToken(kind: string): string {
  return `${kind}-${randomBytes(12).toString('base64url')}`;
}
