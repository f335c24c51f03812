import { rule } from './rule.ts';

/** The options of one route that must agree with each other. */
interface Related {
  readonly upstream: readonly string[];
  readonly token: string;
  readonly stripPrefix: boolean;
  readonly rewrite?: string | undefined;
  readonly ca?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly headers: {
    readonly set: Readonly<Record<string, string>>;
    readonly pass: readonly string[];
  };
}

const ownAuthorization = rule<Related>(
  ['token', 'headers.pass'],
  ({ token, headers: { pass } }, report) => {
    if (token !== 'none' && pass.includes('authorization'))
      report(
        ['headers', 'pass'],
        `names Authorization, but token is ${token}; the route sends its own, so remove it or set token to none`,
      );
  },
);

const claimsOfSomebody = rule<Related>(
  ['token', 'headers.set'],
  ({ token, headers: { set } }, report) => {
    if (token !== 'none') return;
    for (const [name, value] of Object.entries(set))
      if (value.includes('${'))
        report(
          ['headers', 'set', name],
          'contains a claim, but token is none, so nobody is known to have claims; set token to user or optional',
        );
  },
);

const oneNewPath = rule<Related>(['stripPrefix', 'rewrite'], ({ stripPrefix, rewrite }, report) => {
  if (stripPrefix && rewrite !== undefined)
    report(['rewrite'], `is ${rewrite}, but stripPrefix is true; keep one of them`);
});

const certificateWithKey = rule<Related>(
  ['clientCert', 'clientKey'],
  ({ clientCert, clientKey }, report) => {
    if ((clientCert === undefined) === (clientKey === undefined)) return;
    const [missing, given] = clientKey ? ['clientCert', 'clientKey'] : ['clientKey', 'clientCert'];
    report([missing], `is required because ${given} is set`);
  },
);

const tlsOptions = ['ca', 'clientCert', 'clientKey'] as const;

const tlsWhereThereIsTls = rule<Related>(['upstream', ...tlsOptions], (route, report) => {
  if (route.upstream[0]?.startsWith('https:')) return;
  for (const name of tlsOptions)
    if (route[name] !== undefined)
      report([name], `is set, but the upstream ${route.upstream[0]} is not https; remove it`);
});

/** What must hold within one route. */
export const routeRules = [
  ownAuthorization,
  claimsOfSomebody,
  oneNewPath,
  certificateWithKey,
  tlsWhereThereIsTls,
] as const;
