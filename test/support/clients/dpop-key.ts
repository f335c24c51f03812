import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

/** A key of a client that signs DPoP proofs (RFC 9449). */
export class DpopKey {
  private constructor(
    private readonly privateKey: CryptoKey,
    readonly publicKey: JWK,
    readonly thumbprint: string,
  ) {}

  static async create(): Promise<DpopKey> {
    const pair = await generateKeyPair('ES256');
    const publicKey = await exportJWK(pair.publicKey);
    return new DpopKey(pair.privateKey, publicKey, await calculateJwkThumbprint(publicKey));
  }

  /** A proof for a request; `changes` replace or remove (`undefined`) claims. */
  proof(
    method: string,
    url: string,
    accessToken?: string,
    changes: Record<string, unknown> = {},
  ): Promise<string> {
    const claims = {
      jti: randomUUID(),
      htm: method,
      htu: url,
      iat: Math.floor(Date.now() / 1000),
      ...(accessToken !== undefined && {
        ath: createHash('sha256').update(accessToken).digest('base64url'),
      }),
      ...changes,
    };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: this.publicKey })
      .sign(this.privateKey);
  }
}
