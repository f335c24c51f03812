import { rule } from '../values/rule.ts';

/** The options of one provider that must be consistent. */
interface SecurityOptions {
  readonly type: string;
  readonly issuer?: string | undefined;
  readonly tokenEndpoint?: string | undefined;
  readonly internalUrl?: string | undefined;
  readonly clientAuth: string;
  readonly clientSecret?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly ca?: string | undefined;
  readonly jar: boolean;
  readonly jarm: boolean;
  readonly dpop: boolean;
  readonly profile?: string | undefined;
}

const secretForMethod = rule<SecurityOptions>(
  ['clientAuth', 'clientSecret'],
  ({ clientAuth, clientSecret }, report) => {
    const usesSecret = clientAuth.startsWith('client_secret_');
    if (!usesSecret && clientSecret)
      report(['clientSecret'], `is set, but clientAuth is ${clientAuth}; remove one of the two`);
    if (usesSecret && !clientSecret)
      report(['clientSecret'], `is required because clientAuth is ${clientAuth}`);
  },
);

const filesForTheMethod = rule<SecurityOptions>(
  ['clientAuth', 'clientKey', 'clientCert'],
  ({ clientAuth, clientKey, clientCert }, report) => {
    const isMutual = clientAuth.endsWith('tls_client_auth');
    const why = `is required because clientAuth is ${clientAuth}`;
    if (isMutual && !clientCert) report(['clientCert'], why);
    if ((isMutual || clientAuth === 'private_key_jwt') && !clientKey) report(['clientKey'], why);
    else if (clientCert && !clientKey)
      report(['clientKey'], 'is required because clientCert is set');
  },
);

const keyForRequests = rule<SecurityOptions>(['jar', 'clientKey'], ({ jar, clientKey }, report) => {
  if (jar && !clientKey) report(['jar'], 'is true, but there is no clientKey to sign with; set it');
});

const keyThatIsUsed = rule<SecurityOptions>(
  ['type', 'clientAuth', 'clientKey', 'clientCert', 'jar'],
  ({ type, clientAuth, clientKey, clientCert, jar }, report) => {
    // ID tokens can be encrypted for the key.
    const hasUse = type !== 'oauth2' || clientCert || jar;
    if (clientKey && !hasUse && /^(client_secret_|none)/.test(clientAuth))
      report(
        ['clientKey'],
        `is set, but clientAuth is ${clientAuth}, and there is neither clientCert nor jar: ` +
          'nothing uses it; remove it or set clientAuth to private_key_jwt',
      );
  },
);

const tlsFilesNeedHttps = rule<SecurityOptions>(
  ['type', 'issuer', 'tokenEndpoint', 'internalUrl', 'clientCert', 'ca'],
  (provider, report) => {
    const { type, issuer, tokenEndpoint, internalUrl, ...files } = provider;
    const [name, address] =
      type === 'oauth2'
        ? ['tokenEndpoint', tokenEndpoint]
        : internalUrl
          ? ['internalUrl', internalUrl]
          : ['the issuer', issuer];
    if (!address?.startsWith('http:')) return;
    for (const option of ['clientCert', 'ca'] as const)
      if (files[option]) report([option], `is set, but ${name} ${address} is not https; remove it`);
  },
);

const noOpenIdSecurity = rule<SecurityOptions>(
  ['type', 'issuer', 'clientAuth', 'jar', 'jarm', 'dpop', 'profile'],
  ({ type, issuer, clientAuth, profile, ...switches }, report) => {
    if (type !== 'oauth2') return;
    const why = 'but type is oauth2';
    if (profile)
      report(['profile'], `is ${profile}, ${why}: the profile needs discovery; remove it`);
    const needs = {
      jar: 'nothing says that such a service takes signed requests',
      jarm: 'there are no published keys to verify responses with',
      dpop: 'nothing says that such a service binds tokens',
    };
    for (const name of ['jar', 'jarm', 'dpop'] as const)
      if (switches[name]) report([name], `is true, ${why}: ${needs[name]}; remove it`);
    if (clientAuth === 'private_key_jwt' && !issuer)
      report(
        ['issuer'],
        `is required because clientAuth is private_key_jwt: assertions name it in aud`,
      );
  },
);

/** Consistency rules for the client authentication and the TLS options of one provider. */
export const providerSecurityRules = [
  secretForMethod,
  filesForTheMethod,
  keyForRequests,
  keyThatIsUsed,
  tlsFilesNeedHttps,
  noOpenIdSecurity,
] as const;
