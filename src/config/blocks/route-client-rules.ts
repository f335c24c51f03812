import { rule } from '../values/rule.ts';

/** The options of one route that callers with an access token of their own depend on. */
interface ClientRuledOptions {
  readonly token: string;
  readonly session: string;
  readonly clients: readonly string[];
  readonly scopes: readonly string[];
  readonly forwardToken: boolean;
  readonly exchange?: object | undefined;
  readonly headers: { readonly pass: readonly string[] };
}

const bearerNeedsAuthentication = rule<ClientRuledOptions>(
  ['clients', 'token', 'session'],
  ({ clients, token, session }, report) => {
    if (!clients.includes('bearer')) return;
    const option = token === 'none' ? 'token' : session === 'none' ? 'session' : undefined;
    if (option)
      report(
        ['clients'],
        `contains bearer, but ${option} is none, so every client may call; remove one of them`,
      );
  },
);

const optionsForBearer = rule<ClientRuledOptions>(
  ['clients', 'scopes', 'forwardToken'],
  ({ clients, scopes, forwardToken }, report) => {
    if (clients.includes('bearer')) return;
    if (scopes.length > 0)
      report(['scopes'], 'is set, but clients has no bearer; only access tokens have scopes');
    if (!forwardToken)
      report(['forwardToken'], 'is set, but clients has no bearer; remove it or add bearer');
  },
);

const oneForwardedToken = rule<ClientRuledOptions>(
  ['forwardToken', 'exchange'],
  ({ forwardToken, exchange }, report) => {
    if (!forwardToken && exchange)
      report(['forwardToken'], 'is false, but exchange says which token to forward; remove one');
  },
);

const ownProof = rule<ClientRuledOptions>(
  ['clients', 'headers.pass'],
  ({ clients, headers: { pass } }, report) => {
    if (clients.includes('bearer') && pass.includes('dpop'))
      report(
        ['headers', 'pass'],
        'names DPoP, but clients has bearer, whose proofs are for the BFF alone; remove it',
      );
  },
);

/** Consistency rules for one route and its callers with an access token of their own. */
export const routeClientRules = [
  bearerNeedsAuthentication,
  optionsForBearer,
  oneForwardedToken,
  ownProof,
] as const;
