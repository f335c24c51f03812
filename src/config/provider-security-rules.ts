import { rule } from './rule.ts';

/** The options of one provider that must agree with each other. */
interface Related {
  readonly issuer: string;
  readonly internalUrl?: string | undefined;
  readonly clientAuth: string;
  readonly clientSecret?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly ca?: string | undefined;
  readonly jar: boolean;
}

const secretWhereItCounts = rule<Related>(
  ['clientAuth', 'clientSecret'],
  ({ clientAuth, clientSecret }, report) => {
    const usesSecret = clientAuth.startsWith('client_secret_');
    if (!usesSecret && clientSecret)
      report(['clientSecret'], `is set, but clientAuth is ${clientAuth}; remove one of the two`);
    if (usesSecret && !clientSecret)
      report(['clientSecret'], `is required because clientAuth is ${clientAuth}`);
  },
);

const filesForTheMethod = rule<Related>(
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

const keyForRequests = rule<Related>(['jar', 'clientKey'], ({ jar, clientKey }, report) => {
  if (jar && !clientKey) report(['jar'], 'is true, but there is no clientKey to sign with; set it');
});

const keyThatIsUsed = rule<Related>(
  ['clientAuth', 'clientKey', 'clientCert', 'jar'],
  ({ clientAuth, clientKey, clientCert, jar }, report) => {
    if (clientKey && !clientCert && !jar && /^(client_secret_|none)/.test(clientAuth))
      report(
        ['clientKey'],
        `is set, but clientAuth is ${clientAuth}, and there is neither clientCert nor jar: nothing uses it; remove it or set clientAuth to private_key_jwt`,
      );
  },
);

const tlsWhereThereIsTls = rule<Related>(
  ['issuer', 'internalUrl', 'clientCert', 'ca'],
  ({ issuer, internalUrl, ...files }, report) => {
    const [name, address] = internalUrl ? ['internalUrl', internalUrl] : ['the issuer', issuer];
    if (!address?.startsWith('http:')) return;
    for (const option of ['clientCert', 'ca'] as const)
      if (files[option]) report([option], `is set, but ${name} ${address} is not https; remove it`);
  },
);

/** What must hold between the options of one provider that are about its and our identity. */
export const providerSecurityRules = [
  secretWhereItCounts,
  filesForTheMethod,
  keyForRequests,
  keyThatIsUsed,
  tlsWhereThereIsTls,
] as const;
