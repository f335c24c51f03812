import { rule } from '../values/rule.ts';

/** The options of one route that must be consistent. */
interface RuledOptions {
  readonly upstream: readonly string[];
  readonly token: string;
  readonly session: string;
  readonly signedOut: string;
  readonly resource?: string | undefined;
  readonly exchange?:
    { readonly audience?: string | undefined; readonly scope?: string | undefined } | undefined;
  readonly scope?: string | undefined;
  readonly require?: readonly unknown[] | undefined;
  readonly acr?: string | undefined;
  readonly maxAge?: number | undefined;
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

const ownAuthorization = rule<RuledOptions>(
  ['token', 'headers.pass'],
  ({ token, headers: { pass } }, report) => {
    if (token !== 'none' && pass.includes('authorization'))
      report(
        ['headers', 'pass'],
        `names Authorization, but token is ${token}; the route sends its own, so remove it or ` +
          'set token to none',
      );
  },
);

const claimsNeedUser = rule<RuledOptions>(
  ['token', 'session', 'headers.set'],
  ({ token, session, headers: { set } }, report) => {
    if (token !== 'none' && session !== 'none') return;
    const option = token === 'none' ? 'token' : 'session';
    for (const [name, value] of Object.entries(set))
      if (value.includes('${'))
        report(
          ['headers', 'set', name],
          `contains a claim, but ${option} is none, so there are no claims; ` +
            `${option === 'token' ? 'set token to user or optional' : 'set session to required'}`,
        );
  },
);

const accessRulesNeedUser = rule<RuledOptions>(
  ['token', 'session'],
  ({ token, session, require: rules }, report) => {
    if (rules === undefined || (token !== 'none' && session !== 'none')) return;
    const [option, remedy] =
      token === 'none' ? ['token', 'set token to user'] : ['session', 'set session to required'];
    report(
      ['require'],
      `is set, but ${option} is none, so no one is signed in to judge; remove it or ${remedy}`,
    );
  },
);

const sessionForClient = rule<RuledOptions>(['token', 'session'], ({ token, session }, report) => {
  if (session === 'none' && token !== 'client')
    report(
      ['session'],
      `is none, but token is ${token}; only with token: client is there a token without a ` +
        `session, so remove it${token === 'user' ? ' or set token to optional or none' : ''}`,
    );
});

const loginForSignedOut = rule<RuledOptions>(
  ['token', 'session', 'signedOut'],
  ({ token, session, signedOut }, report) => {
    if (signedOut === 'problem') return;
    const remedy = 'remove it, or set token to user';
    if (token === 'none' || token === 'optional')
      report(
        ['signedOut'],
        `is login, but token is ${token}, so the route serves signed-out users; ${remedy}`,
      );
    else if (session === 'none')
      report(
        ['signedOut'],
        'is login, but session is none, so the route serves signed-out users; remove it, or ' +
          'set session to required',
      );
  },
);

const ownToken = rule<RuledOptions>(
  ['token', 'resource', 'exchange', 'scope'],
  ({ token, resource, exchange, scope }, report) => {
    const given = { resource, exchange, scope };
    for (const name of ['resource', 'exchange', 'scope'] as const)
      if (token === 'none' && given[name] !== undefined)
        report([name], 'is set, but token is none, so no token is sent; remove it or set token');
    if (!exchange) return;
    if (token === 'client')
      report(
        ['exchange'],
        'is set, but token is client, and there is no token of a user to exchange; use ' +
          'resource and scope, or set token to user',
      );
    if (resource !== undefined)
      report(
        ['resource'],
        'is set beside exchange; keep one of them: each gives the route a token',
      );
    if (scope !== undefined) report(['scope'], 'is set beside exchange; move it to exchange.scope');
    if (exchange.audience === undefined && exchange.scope === undefined)
      report(['exchange'], 'needs audience or scope, which say what the exchanged token is for');
  },
);

const authenticationNeedsUser = rule<RuledOptions>(['token', 'acr', 'maxAge'], (route, report) => {
  if (route.token === 'user') return;
  for (const name of ['acr', 'maxAge'] as const)
    if (route[name] !== undefined)
      report(
        [name],
        `is set, but token is ${route.token}, so callers need no session of a user; set token ` +
          'to user',
      );
});

const oneNewPath = rule<RuledOptions>(
  ['stripPrefix', 'rewrite'],
  ({ stripPrefix, rewrite }, report) => {
    if (stripPrefix && rewrite !== undefined)
      report(['rewrite'], `is ${rewrite}, but stripPrefix is true; keep one of them`);
  },
);

const certificateWithKey = rule<RuledOptions>(
  ['clientCert', 'clientKey'],
  ({ clientCert, clientKey }, report) => {
    if ((clientCert === undefined) === (clientKey === undefined)) return;
    const [missing, given] = clientKey ? ['clientCert', 'clientKey'] : ['clientKey', 'clientCert'];
    report([missing], `is required because ${given} is set`);
  },
);

const tlsOptions = ['ca', 'clientCert', 'clientKey'] as const;

const tlsFilesNeedHttps = rule<RuledOptions>(['upstream', ...tlsOptions], (route, report) => {
  if (route.upstream[0]?.startsWith('https:')) return;
  for (const name of tlsOptions)
    if (route[name] !== undefined)
      report([name], `is set, but the upstream ${route.upstream[0]} is not https; remove it`);
});

/** Consistency rules for one route. */
export const routeRules = [
  ownAuthorization,
  claimsNeedUser,
  accessRulesNeedUser,
  sessionForClient,
  loginForSignedOut,
  ownToken,
  authenticationNeedsUser,
  oneNewPath,
  certificateWithKey,
  tlsFilesNeedHttps,
] as const;
