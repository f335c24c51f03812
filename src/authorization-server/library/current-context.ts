import { type KoaContextWithOIDC, Provider } from 'oidc-provider';

/** Returns the request that the library is serving. `undefined` outside of its requests. */
export function currentContext(): KoaContextWithOIDC | undefined {
  return Provider.ctx as KoaContextWithOIDC | undefined;
}
