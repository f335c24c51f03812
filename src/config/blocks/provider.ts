import { z } from 'zod';
import { authorizationParameters, loginParameter } from './authorization-parameters.ts';
import { endpointAddress, internalOrigin, issuerIdentifier } from '../values/addresses.ts';
import { profileIsKept, underProfile, usualAlgorithms } from './fapi2-profile.ts';
import { presetNames } from '../presets/presets.ts';
import { providerRules } from './provider-rules.ts';
import { providerSecurityOptions } from './provider-security.ts';
import { providerSecurityRules } from './provider-security-rules.ts';
import { duration, flag, listOf, oneOf, refuse, size, text } from '../values/scalar.ts';
import { scopeNames } from '../values/scope.ts';
import { userFields } from '../values/user-fields.ts';

/** All signature algorithms that are accepted. With each, only the issuer can sign. */
export const signatureAlgorithms =
  'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');

/** An authorization server and our client registration there. */
export const provider = z
  .strictObject({
    id: text(readId).describe(
      'Short name of the provider in addresses (`/bff/login?provider=corp`, ' +
        '`/bff/callback/corp`) and in the log: lower-case letters, digits and `-`. The first ' +
        'provider is the default one, whose callback is `/bff/callback`.',
    ),
    name: text()
      .optional()
      .describe(
        'Name of the provider on the page to choose one. By default that of the preset, or ' +
          'the `id`.',
      ),
    preset: oneOf(presetNames)
      .optional()
      .describe(
        'A well-known service whose addresses and peculiarities the BFF knows. Options beside ' +
          'it override it. See [providers.md](providers.md).',
      ),
    type: oneOf(['oidc', 'oauth2'])
      .prefault('oidc')
      .describe(
        'The protocol of the provider: OpenID Connect (`oidc`), or only OAuth 2 (`oauth2`), ' +
          'which needs `authorizationEndpoint`, `tokenEndpoint`, `userinfoEndpoint` and `user`. ' +
          'A preset sets it.',
      ),
    issuer: issuerIdentifier()
      .optional()
      .describe(
        'Issuer identifier, exactly as in the ID tokens. Endpoints and keys are discovered ' +
          'below it. https, or http on a loopback host. Required for `type: oidc`, unless the ' +
          'preset has one.',
      ),
    internalUrl: internalOrigin()
      .optional()
      .describe(
        'Origin for the BFF’s own requests to the provider, instead of the issuer, for ' +
          'example the name of a container. Browsers and tokens still use the issuer.',
      ),
    authorizationEndpoint: override('Where browsers are sent to sign in.'),
    tokenEndpoint: override('Where codes and refresh tokens are exchanged for tokens.'),
    userinfoEndpoint: override('Where further claims about the user are read.'),
    user: userFields()
      .optional()
      .describe(
        'For `type: oauth2`: which field of the user endpoint’s response is `sub` (one that ' +
          'never changes), `name`, `email` and so on. A nested field is `data.id`, a text with ' +
          'fields is `https://cdn.example.com/{id}.png`; of a list the first field with a value ' +
          'is used.',
      ),
    jwksUri: override('Where the keys of ID tokens are.'),
    endSessionEndpoint: override(
      'Where browsers are sent to sign out of the provider too (RP-Initiated Logout).',
    ),
    revocationEndpoint: override('Where tokens are revoked at sign-out (RFC 7009).'),
    clientId: text().describe('Client identifier that the provider issued for this application.'),
    clientSecret: text()
      .optional()
      .describe(
        'Client secret that the provider issued, for `client_secret_basic` and ' +
          '`client_secret_post`.',
      ),
    clientAuth: oneOf([
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
      'none',
    ])
      .prefault('client_secret_basic')
      .describe(
        'How the BFF authenticates to the provider, as in its registration. `private_key_jwt` ' +
          'signs with `clientKey`. `tls_client_auth` and `self_signed_tls_client_auth` send ' +
          '`clientCert`, which an authority has signed or the registration names. `none` is for ' +
          'a client without a secret, protected only by PKCE.',
      ),
    scopes: scopeNames()
      .prefault(['openid', 'profile', 'email'])
      .describe(
        'Scopes that a sign-in requests. Add `offline_access` if the provider issues refresh ' +
          'tokens only on request. Without a refresh token, API calls need a new sign-in when ' +
          'the access token expires.',
      ),
    loginParams: listOf(loginParameter())
      .prefault([])
      .describe(
        'Further query parameters of `/bff/login` that are handed to the provider ' +
          '(`kc_idp_hint`, `organization`, …). All others are ignored.',
      ),
    authorizationParams: authorizationParameters()
      .prefault({})
      .describe(
        'Fixed parameters of every authorization request to this provider, by name, as in ' +
          '`audience: https://api.example.com`. A link cannot override them. Parameters that ' +
          'another option or the protocol controls (`scope`, `state`, `prompt`, …) are refused.',
      ),
    par: oneOf(['auto', 'required', 'never'])
      .prefault('auto')
      .describe(
        'Pushed authorization requests (RFC 9126), which keep the request out of the ' +
          'browser’s address. `auto`: if the provider requires them; `required`: always; ' +
          '`never`: not even if it requires them.',
      ),
    idTokenAlgorithms: listOf(text(readAlgorithm))
      .min(1, 'needs at least one algorithm')
      .prefault([...usualAlgorithms])
      .describe(
        'Signature algorithms accepted on ID tokens. A token signed with any other is ' +
          'refused, whatever the provider announces.',
      ),
    frontchannelLogout: flag()
      .prefault(false)
      .describe(
        'Whether the provider may end its sessions here through an iframe ' +
          '(`/bff/frontchannel`, OIDC Front-Channel Logout). Only for a provider without ' +
          'Back-Channel Logout, which needs no browser and is always enabled.',
      ),
    logoutToken: z
      .strictObject({
        allowMissingExp: flag()
          .prefault(false)
          .describe(
            'Accept logout tokens without `exp`, which Ory Hydra, Glewlwyd and Keycloak before ' +
              '23.0.4 send. Such a token is valid for two minutes after its `iat`.',
          ),
        allowUntyped: flag()
          .prefault(false)
          .describe(
            'Accept logout tokens whose `typ` is missing or `JWT` instead of `logout+jwt`, as ' +
              'Ory Hydra, Glewlwyd and Keycloak before 25 send them.',
          ),
      })
      .prefault({})
      .describe('What to tolerate in logout tokens (OIDC Back-Channel Logout 1.0 §2.4).'),
    timeout: duration({ atMost: '24d' })
      .prefault('10s')
      .describe('How long one call to the provider may take before it counts as unreachable.'),
    maxResponse: size()
      .prefault('1mb')
      .describe('Maximum size of a response of the provider; a larger one counts as a failure.'),
    ...providerSecurityOptions,
  })
  .check(...providerRules, ...providerSecurityRules, profileIsKept)
  .transform(({ name, issuer, ...rest }) =>
    underProfile({
      name: name ?? rest.id,
      // Subjects are unique per issuer. The user endpoint stands in for a missing issuer.
      issuer: issuer ?? rest.userinfoEndpoint ?? '',
      ...rest,
    }),
  )
  .describe('One authorization server and the registration of the BFF there.');

function override(what: string) {
  return endpointAddress()
    .optional()
    .describe(`${what} Overrides what discovery or the preset says.`);
}

function readId(id: string): string {
  return /^[a-z0-9][a-z0-9-]*$/.test(id)
    ? id
    : refuse('may contain only lower-case letters, digits and -, and must not begin with -');
}

function readAlgorithm(name: string): string {
  if (/^(none|HS\d+)$/i.test(name))
    refuse('must not be none or HS*: such a token proves nothing about who issued it');
  return (
    signatureAlgorithms.find((known) => known === name) ??
    refuse(`must be one of ${signatureAlgorithms.join(', ')}`)
  );
}
