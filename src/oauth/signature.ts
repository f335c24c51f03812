import { compactVerify } from 'jose';
import type { Provider } from './provider.ts';
import type { KeySource } from './provider-keys.ts';

/**
 * Verifies a signature with a key that its provider publishes, by an algorithm that is configured; `jku`, `jwk`, `x5c` and
 * `x5u` are what whoever made the token says, and are not looked at (RFC 8725 §3.1, §3.10). Throws what `jose` throws, or
 * `provider_unavailable` while the keys cannot be had.
 */
export async function verifySignature(
  provider: Provider,
  encoded: string,
  source: KeySource,
): Promise<void> {
  const keys = await provider.keys();
  const metadata = (await provider.discovered()).serverMetadata();
  const algorithms = metadata.id_token_signing_alg_values_supported ?? [];
  await compactVerify(encoded, (header, token) => keys.keyFor(header, token, source), {
    algorithms,
  });
}
