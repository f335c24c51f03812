import type { ServerMetadata } from 'openid-client';
import type { ProviderOptions } from '../../config/options.ts';
import { dpopAlgorithm } from '../client/dpop.ts';

/** A security option that the provider's metadata do not support. */
interface Disagreement {
  readonly message: string;
  /** Whether every sign-in will fail. */
  readonly isFatal: boolean;
}

/** Compares the security options for requests, responses and tokens with a provider's metadata. */
export function disagreements(
  metadata: ServerMetadata,
  options: ProviderOptions,
): readonly Disagreement[] {
  return [
    ...aboutPushing(metadata, options),
    ...aboutSigning(metadata, options),
    ...aboutResponses(metadata, options),
    ...aboutTokens(metadata, options),
  ];
}

function aboutPushing(metadata: ServerMetadata, { par }: ProviderOptions): Disagreement[] {
  const insists = metadata.require_pushed_authorization_requests === true;
  const hasEndpoint = metadata.pushed_authorization_request_endpoint !== undefined;
  if (par === 'never' && insists)
    return [fatal('par is never, but it insists on pushed requests; remove par')];
  if (par === 'never' || hasEndpoint || (par === 'auto' && !insists)) return [];
  return [fatal('its metadata have no pushed_authorization_request_endpoint; remove par')];
}

function aboutSigning(metadata: ServerMetadata, { jar, par }: ProviderOptions): Disagreement[] {
  if (!jar && metadata.require_signed_request_object === true)
    return [fatal('it insists on signed requests; set jar and clientKey')];
  const isInBrowser = par !== 'required' && !metadata.require_pushed_authorization_requests;
  return jar && isInBrowser && metadata.request_parameter_supported === false
    ? [doubtful('jar is true, but it announces that it takes no request objects')]
    : [];
}

function aboutResponses(metadata: ServerMetadata, options: ProviderOptions): Disagreement[] {
  const { jarm, responseMode } = options;
  const signed = responseMode === 'form_post' ? 'form_post.jwt' : 'jwt';
  const mode = jarm ? signed : responseMode;
  const supported = metadata.response_modes_supported;
  const algorithms = metadata.authorization_signing_alg_values_supported;
  const fits = !algorithms || options.idTokenAlgorithms.some((alg) => algorithms.includes(alg));
  return [
    ...(supported && mode !== 'query' && !supported.includes(mode)
      ? [doubtful(`responses by ${mode} are configured, but it announces ${supported.join(', ')}`)]
      : []),
    ...(jarm && !fits
      ? [fatal(`it signs responses with ${algorithms?.join(', ')}, none of idTokenAlgorithms`)]
      : []),
  ];
}

function aboutTokens(metadata: ServerMetadata, { dpop }: ProviderOptions): Disagreement[] {
  const algorithms = metadata.dpop_signing_alg_values_supported;
  if (!dpop || algorithms?.includes(dpopAlgorithm)) return [];
  return algorithms
    ? [
        fatal(
          `dpop is true, but it takes proofs by ${algorithms.join(', ')} and not ${dpopAlgorithm}`,
        ),
      ]
    : [doubtful('dpop is true, but it does not announce DPoP; sign-ins fail if it has none')];
}

function fatal(message: string): Disagreement {
  return { message, isFatal: true };
}

function doubtful(message: string): Disagreement {
  return { message, isFatal: false };
}
