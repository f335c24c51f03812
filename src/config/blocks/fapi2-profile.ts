import { rule } from '../values/rule.ts';

/** The signature algorithms that the profile allows (FAPI 2.0 Security Profile §5.4.1). */
export const fapi2Algorithms: readonly string[] = ['PS256', 'ES256', 'EdDSA', 'Ed25519'];

/** The default signature algorithms of ID tokens. */
export const usualAlgorithms: readonly string[] = ['RS256', 'PS256', 'ES256', 'EdDSA'];

/** The options of a provider that the profile restricts. */
interface ProfileOptions {
  readonly profile?: 'fapi2' | undefined;
  readonly type: string;
  readonly issuer?: string | undefined;
  readonly internalUrl?: string | undefined;
  readonly clientAuth: string;
  readonly par: 'auto' | 'required' | 'never';
  readonly dpop: boolean;
  readonly clientCert?: string | undefined;
  readonly idTokenAlgorithms: readonly string[];
}

const endpointOptions = [
  'authorizationEndpoint',
  'tokenEndpoint',
  'userinfoEndpoint',
  'jwksUri',
  'endSessionEndpoint',
  'revocationEndpoint',
] as const;

type Endpoints = { readonly [Name in (typeof endpointOptions)[number]]?: string | undefined };

/** Refuses a provider that does not meet its profile, with one message for all its options. */
export const profileIsKept = rule<ProfileOptions & Endpoints>(
  ['profile', 'type', 'issuer', 'internalUrl', 'clientAuth', 'par', 'idTokenAlgorithms'].concat(
    endpointOptions,
  ),
  (options, report) => {
    // The profile does not apply to OAuth 2 without OpenID Connect. Another rule refuses that.
    if (options.profile !== 'fapi2' || options.type === 'oauth2') return;
    const points = [
      ...secureAddresses(options),
      ...ownIdentity(options),
      ...endpointOptions
        .filter((name) => options[name] !== undefined)
        .map((name) => `no ${name}, because only what the provider publishes counts`),
      ...signatures(options),
    ];
    if (points.length > 0) report(['profile'], `is fapi2, which asks for ${points.join('; ')}`);
  },
);

/** Applies the requirements of the profile to a provider. Does nothing without a profile. */
export function underProfile<Options extends ProfileOptions>(options: Options): Options {
  if (options.profile !== 'fapi2') return options;
  return {
    ...options,
    par: 'required',
    // Tokens are bound by DPoP or by mutual TLS.
    dpop: options.dpop || options.clientCert === undefined,
    idTokenAlgorithms: options.idTokenAlgorithms.filter((alg) => fapi2Algorithms.includes(alg)),
  };
}

function secureAddresses({ issuer, internalUrl }: ProfileOptions): string[] {
  return [
    ...(issuer?.startsWith('http:') ? [`an https issuer instead of ${issuer}`] : []),
    ...(internalUrl?.startsWith('http:') ? [`an https internalUrl instead of ${internalUrl}`] : []),
  ];
}

function ownIdentity({ clientAuth, par }: ProfileOptions): string[] {
  const methods = ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'];
  return [
    ...(methods.includes(clientAuth)
      ? []
      : [`clientAuth ${methods.join(' or ')} instead of ${clientAuth}`]),
    ...(par === 'never' ? ['par required instead of never'] : []),
  ];
}

/** The default list is narrowed to the profile. An explicit list is refused, not changed. */
function signatures({ idTokenAlgorithms }: ProfileOptions): string[] {
  const isUsual = idTokenAlgorithms.join() === usualAlgorithms.join();
  const others = idTokenAlgorithms.filter((alg) => !fapi2Algorithms.includes(alg));
  if (isUsual || others.length === 0) return [];
  return [`idTokenAlgorithms of PS256, ES256 and EdDSA, not ${others.join(', ')}`];
}
