import { presetOf } from '../presets/presets.ts';
import { rule } from '../values/rule.ts';

/** The options of one provider that its type and preset restrict. */
interface ProviderContext {
  readonly type: string;
  readonly preset?: string | undefined;
  readonly issuer?: string | undefined;
  readonly internalUrl?: string | undefined;
  readonly authorizationEndpoint?: string | undefined;
  readonly tokenEndpoint?: string | undefined;
  readonly userinfoEndpoint?: string | undefined;
  readonly jwksUri?: string | undefined;
  readonly scopes: readonly string[];
  readonly par: string;
  readonly frontchannelLogout: boolean;
  readonly user?: Readonly<Record<string, readonly string[]>> | undefined;
}

const kind = ['type', 'preset'];

const ownIssuer = rule<ProviderContext>(
  [...kind, 'issuer'],
  ({ type, preset: name, issuer }, report) => {
    if (type !== 'oidc') return;
    const preset = presetOf({ preset: name });
    const like = preset?.issuerExample && `, like ${preset.issuerExample}`;
    if (!issuer)
      report(['issuer'], like ? `is required with preset ${name}${like}` : 'is required');
    else if (preset?.sharedIssuers?.test(issuer))
      report(
        ['issuer'],
        `is shared by many tenants, any of which could sign in; name yours${like}`,
      );
  },
);

const sameType = rule<ProviderContext>(kind, ({ type, preset: name }, report) => {
  const preset = presetOf({ preset: name });
  if (preset && preset.options.type !== type)
    report(['type'], `is ${type}, but the preset ${name} is ${preset.options.type}; remove it`);
});

const openidScope = rule<ProviderContext>([...kind, 'scopes'], ({ type, scopes }, report) => {
  if (type === 'oidc' && !scopes.includes('openid'))
    report(['scopes'], 'must contain openid; without it the provider sends no ID token');
});

const endpoints = ['authorizationEndpoint', 'tokenEndpoint', 'userinfoEndpoint'] as const;

const ownEndpoints = rule<ProviderContext>([...kind, ...endpoints], (provider, report) => {
  const { type, preset, tokenEndpoint } = provider;
  if (type !== 'oauth2') return;
  const why =
    presetOf({ preset }) && tokenEndpoint
      ? `is required because tokenEndpoint is ${tokenEndpoint}: ` +
        `its tokens are not for the servers that the preset ${preset} knows`
      : 'is required because type is oauth2, which has no discovery';
  for (const name of endpoints) if (!provider[name]) report([name], why);
});

const subject = rule<ProviderContext>([...kind, 'user'], ({ type, user }, report) => {
  if (type === 'oauth2' && !user?.['sub'])
    report(
      ['user', 'sub'],
      'is required because type is oauth2: name the field of the user endpoint that never ' +
        'changes, like id',
    );
  if (type === 'oidc' && user)
    report(['user'], 'works with type oauth2 only; OpenID Connect names the claims itself');
});

const noOpenIdOptions = rule<ProviderContext>(
  [...kind, 'jwksUri', 'internalUrl', 'par', 'frontchannelLogout'],
  ({ type, jwksUri, internalUrl, par, frontchannelLogout }, report) => {
    if (type !== 'oauth2') return;
    const meaningless = 'has no meaning because type is oauth2';
    if (jwksUri) report(['jwksUri'], `${meaningless}: there are no ID tokens; remove it`);
    if (internalUrl)
      report(['internalUrl'], `${meaningless}; set tokenEndpoint and userinfoEndpoint instead`);
    if (par === 'required')
      report(['par'], `is required, but type is oauth2: no endpoint is known for it; remove it`);
    if (frontchannelLogout)
      report(['frontchannelLogout'], `${meaningless}: such a service ends no sessions; remove it`);
  },
);

/** The options that a provider's type and preset require or exclude. */
export const providerRules = [
  ownIssuer,
  sameType,
  openidScope,
  ownEndpoints,
  subject,
  noOpenIdOptions,
] as const;
