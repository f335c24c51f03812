import { compactVerify } from 'jose';
import type { Provider } from '../provider/provider.ts';
import type { KeySource } from '../provider/keys.ts';

/**
 * Verifies a signature with a key that its provider publishes, by one of the algorithms, or those
 * of its ID tokens where none are named, and gives back what is signed; `jku`, `jwk`, `x5c` and
 * `x5u` are what whoever made the token says, and are not looked at (RFC 8725 §3.1, §3.10). Throws
 * what `jose` throws, or `provider_unavailable` while the keys cannot be had.
 */
export async function verifySignature(
  provider: Provider,
  encoded: string,
  source: KeySource,
  algorithms?: readonly string[],
): Promise<Uint8Array> {
  const keys = await provider.keys();
  const accepted = algorithms ?? (await idTokenAlgorithms(provider));
  const { payload } = await compactVerify(
    encoded,
    (header, token) => keys.keyFor(header, token, source),
    { algorithms: [...accepted] },
  );
  return payload;
}

/** The configured ones that the provider announces. */
async function idTokenAlgorithms(provider: Provider): Promise<readonly string[]> {
  const metadata = (await provider.discovered()).serverMetadata();
  return metadata.id_token_signing_alg_values_supported ?? [];
}
