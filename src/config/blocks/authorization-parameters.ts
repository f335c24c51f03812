import { z } from 'zod';
import { refuse, text } from '../values/scalar.ts';

const link = (example: string) => `it belongs to one sign-in: a link sets it, as in ${example}`;

/** Parameters of the protocol that the BFF sets, with the option or link that controls each. */
const controlledBy: Readonly<Record<string, string>> = {
  client_id: 'use clientId',
  client_secret: 'use clientSecret',
  client_assertion: 'use clientAuth private_key_jwt',
  client_assertion_type: 'use clientAuth private_key_jwt',
  redirect_uri: 'it follows from publicUrl, basePath and id',
  response_type: 'it is always code',
  response_mode: 'use responseMode or jarm',
  scope: 'use scopes',
  resource: 'use resource of a route',
  state: 'it is new for every sign-in',
  nonce: 'it is new for every sign-in',
  code_challenge: 'it is new for every sign-in',
  code_challenge_method: 'it is always S256',
  request: 'use jar',
  request_uri: 'use par',
  registration: 'the client is registered under clientId',
  dpop_jkt: 'use dpop',
  id_token_hint: 'the BFF sends it at logout',
  prompt: link('/bff/login?prompt=select_account'),
  login_hint: link('/bff/login?login_hint=alice'),
  acr_values: `${link('/bff/login?acr_values=…')}; for a route use acr`,
  max_age: `${link('/bff/login?max_age=300')}; for a route use maxAge`,
};

/** Parameters that a link may not pass to the provider, because the BFF itself uses them. */
const notForLinks = new Set(
  `client_id redirect_uri response_type response_mode scope state nonce code_challenge
  code_challenge_method request request_uri dpop_jkt returnUrl provider`.split(/\s+/),
);

/** Fixed parameters of every authorization request, by name. Those of the protocol are refused. */
export function authorizationParameters() {
  return z.record(z.string(), text()).check(
    z.superRefine((parameters, context) => {
      for (const name of Object.keys(parameters)) {
        const problem = problemOf(name);
        if (problem) context.addIssue({ code: 'custom', path: [name], message: problem });
      }
    }),
  );
}

/** The name of a query parameter that `/bff/login` passes to the provider. */
export function loginParameter() {
  return text((name) => {
    if (notForLinks.has(name)) refuse(`${name} belongs to the BFF itself; remove it`);
    return isParameterName(name) ? name : refuse('must be the name of a query parameter');
  });
}

function problemOf(name: string): string | undefined {
  if (!isParameterName(name)) return 'must have the name of a query parameter';
  const control = Object.hasOwn(controlledBy, name) ? controlledBy[name] : undefined;
  return control && `is a parameter of the protocol; remove it, ${control}`;
}

function isParameterName(name: string): boolean {
  return /^[\w.:-]+$/.test(name);
}
