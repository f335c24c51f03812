import type { ServerMetadata } from 'openid-client';
import { fapi2Algorithms } from '../../config/blocks/fapi2-profile.ts';
import type { ProviderOptions } from '../../config/options.ts';
import { dpopAlgorithm } from '../client/dpop.ts';

/** The error of a provider whose metadata do not satisfy its configured profile. */
export class ProfileShortfall extends Error {}

/**
 * Throws one error that lists everything a provider's metadata lack for its profile (FAPI 2.0
 * Security Profile §5.3.2).
 */
export function refuseShortfalls(metadata: ServerMetadata, options: ProviderOptions): void {
  if (options.profile !== 'fapi2') return;
  const points = shortfalls(metadata, options);
  if (points.length === 0) return;
  const list = points.join('; ');
  throw new ProfileShortfall(`is fapi2, but the metadata of ${options.issuer} have ${list}`);
}

function shortfalls(metadata: ServerMetadata, options: ProviderOptions): string[] {
  const { clientAuth, dpop } = options;
  const assertions = metadata.token_endpoint_auth_signing_alg_values_supported;
  const missing: Record<string, boolean> = {
    'no pushed_authorization_request_endpoint':
      metadata.pushed_authorization_request_endpoint === undefined,
    'no S256 in code_challenge_methods_supported': !has(
      metadata.code_challenge_methods_supported,
      'S256',
    ),
    'no authorization_response_iss_parameter_supported':
      metadata.authorization_response_iss_parameter_supported !== true,
    [`no ${clientAuth} in token_endpoint_auth_methods_supported`]: !has(
      metadata.token_endpoint_auth_methods_supported,
      clientAuth,
    ),
    [`none of ${fapi2Algorithms.join(', ')} in token_endpoint_auth_signing_alg_values_supported`]:
      clientAuth === 'private_key_jwt' && !fapi2Algorithms.some((alg) => has(assertions, alg)),
    [`no ${dpopAlgorithm} in dpop_signing_alg_values_supported`]:
      dpop && !has(metadata.dpop_signing_alg_values_supported, dpopAlgorithm),
    'no tls_client_certificate_bound_access_tokens':
      !dpop && metadata.tls_client_certificate_bound_access_tokens !== true,
  };
  return Object.keys(missing).filter((point) => missing[point]);
}

function has(list: readonly string[] | undefined, value: string): boolean {
  return list?.includes(value) ?? false;
}
