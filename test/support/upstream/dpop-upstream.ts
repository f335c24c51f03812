import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { calculateJwkThumbprint, createRemoteJWKSet, EmbeddedJWK, type JWK, jwtVerify } from 'jose';
import { respondWith, type Handler } from './responses.ts';
import type { AuthorizationServer } from '../authorization-server/authorization-server.ts';
import type { RecordedRequest } from './recorder.ts';

/**
 * A resource server that accepts tokens only with a proof of possession (RFC 9449 §7), and no proof
 * twice. It records the reason of every refusal.
 */
export class DpopResourceServer {
  /** Its origin: what `htu` must begin with. */
  url = '';
  /** The nonce it requires in proofs; none by default. */
  nonce: string | undefined;
  /** Accepted requests, by method and path. */
  readonly accepted: string[] = [];
  readonly refusals: string[] = [];
  /** Thumbprints of the keys of all valid proofs. */
  readonly keys = new Set<string>();
  readonly #jtis = new Set<string>();
  /** Handles requests with a valid proof. */
  handler: Handler = respondWith(200, { ok: true });

  constructor(private readonly issuer: () => AuthorizationServer) {}

  /**
   * Handler for an `Upstream`: passes requests with a valid proof to `handler` and refuses others.
   */
  readonly checkingHandler: Handler = async (request, response, recorded) => {
    const refusal = await this.check(recorded);
    if (!refusal) return this.handler(request, response, recorded);
    return respondWith(401, { error: refusal.error }, this.#challenge(refusal))(
      request,
      response,
      recorded,
    );
  };

  /** Returns why a request is refused; undefined when its proof is valid. */
  async check(recorded: RecordedRequest): Promise<{ error: string; why: string } | undefined> {
    const { method, path, headers } = recorded;
    const problem = await this.#problemWith(recorded, headers).catch((error: unknown) => ({
      error: 'invalid_dpop_proof',
      why: String(error),
    }));
    if (problem) this.refusals.push(problem.why);
    else this.accepted.push(`${method} ${path}`);
    return problem;
  }

  #challenge({ error }: { readonly error: string }): Record<string, string> {
    const challenge = { 'www-authenticate': `DPoP error="${error}", algs="ES256"` };
    return this.nonce === undefined ? challenge : { ...challenge, 'dpop-nonce': this.nonce };
  }

  async #problemWith(recorded: RecordedRequest, headers: IncomingHttpHeaders) {
    const invalid = (why: string) => ({ error: 'invalid_dpop_proof', why });
    const [, token = ''] = /^DPoP ([\w.~+/-]+=*)$/.exec(headers.authorization ?? '') ?? [];
    const proofs = recorded.headerValues('dpop');
    if (!token) return { error: 'invalid_token', why: 'no DPoP token' };
    if (proofs.length !== 1) return invalid(`${proofs.length} proofs`);
    const { payload, protectedHeader } = await jwtVerify(proofs[0] ?? '', EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ['ES256'],
      maxTokenAge: 60,
    });
    const jwk = protectedHeader.jwk as JWK;
    if ('d' in jwk) return invalid('a private key');
    if (payload['htm'] !== recorded.method) return invalid(`htm is ${String(payload['htm'])}`);
    if (payload['htu'] !== this.url + recorded.path)
      return invalid(`htu is ${String(payload['htu'])}`);
    const ath = createHash('sha256').update(token).digest('base64url');
    if (payload['ath'] !== ath) return invalid('ath is of another token');
    const { jti = '' } = payload;
    if (!jti || this.#jtis.has(jti)) return invalid('jti is missing or was used before');
    this.#jtis.add(jti);
    if (this.nonce !== undefined && payload['nonce'] !== this.nonce)
      return { error: 'use_dpop_nonce', why: `nonce is ${String(payload['nonce'])}` };
    const jkt = await calculateJwkThumbprint(jwk);
    const bound = await this.#keyOf(token);
    if (!bound) return { error: 'invalid_token', why: 'an unknown token' };
    if (bound.jkt !== jkt) return invalid('a token that is bound to another key');
    this.keys.add(jkt);
    return undefined;
  }

  /**
   * The thumbprint of the key that a token is bound to; undefined for a token that the
   * authorization server did not issue.
   */
  async #keyOf(token: string): Promise<{ jkt?: unknown } | undefined> {
    const { issuer, provider } = this.issuer();
    if (!token.includes('.')) return provider.AccessToken.find(token);
    const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
    const { payload } = await jwtVerify(token, keys, { issuer, typ: 'at+jwt' });
    return payload['cnf'] as { jkt?: unknown };
  }
}
