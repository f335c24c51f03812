import { compactVerify } from 'jose';
import type { Provider } from '../provider/provider.ts';
import type { KeySource, ProviderKeys } from '../provider/keys.ts';

/**
 * Verifies a JWS with the published keys of its provider and returns the payload. The accepted
 * algorithms default to those for ID tokens. The header's `jku`, `jwk`, `x5c` and `x5u` are
 * ignored, because the sender chooses them (RFC 8725 §3.1, §3.10). Throws the errors of `jose`, or
 * `provider_unavailable` if the keys cannot be fetched.
 */
export async function verifySignature(
  provider: Provider,
  encoded: string,
  source: KeySource,
  algorithms?: readonly string[],
): Promise<Uint8Array> {
  const keys = await provider.keys();
  return verifyWithKeys(keys, encoded, source, algorithms ?? (await idTokenAlgorithms(provider)));
}

/**
 * Verifies a JWS with these keys and returns the payload. Like {@link verifySignature}, it ignores
 * keys that the sender chose, and throws the errors of `jose`, or `provider_unavailable`.
 */
export async function verifyWithKeys(
  keys: ProviderKeys,
  encoded: string,
  source: KeySource,
  algorithms: readonly string[],
): Promise<Uint8Array> {
  const { payload } = await compactVerify(
    encoded,
    (header, token) => keys.keyFor(header, token, source),
    { algorithms: [...algorithms] },
  );
  return payload;
}

/** The configured algorithms that the provider announces. */
async function idTokenAlgorithms(provider: Provider): Promise<readonly string[]> {
  const metadata = (await provider.discovered()).serverMetadata();
  return metadata.id_token_signing_alg_values_supported ?? [];
}
