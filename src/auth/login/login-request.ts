import type { IncomingHttpHeaders } from 'node:http';
import { BffError } from '../../errors.ts';
import { maxLoginParameter, type LoginParameters } from '../../oauth/login/login.ts';
import type { Provider } from '../../oauth/provider/provider.ts';
import type { ProviderRegistry } from '../../oauth/provider-registry.ts';
import { parameter, type Query } from '../../http/query.ts';
import { validatedReturnUrl, type ReturnUrlRules } from './return-url.ts';

/** The maximum total size of all parameters of a login, in octets. */
const maxTotalOctets = 4096;

/** Parameters that every login may send to the provider (OIDC Core §3.1.2.1). */
const alwaysAllowed = ['prompt', 'login_hint', 'acr_values', 'max_age', 'ui_locales'];

/** The parameter of `login` that marks an automatic retry. A retry is not retried again. */
export const secondTry = 'secondTry';

/**
 * Returns the parameters of `login` that are sent on to the provider. Others are dropped, so that a
 * link cannot rewrite the authorization request. Throws `invalid_request` for a parameter of more
 * than 1,024 octets, or more than 4,096 octets in total.
 */
export function loginParameters(query: Query, furtherAllowed: readonly string[]): LoginParameters {
  const given = [...new Set([...alwaysAllowed, ...furtherAllowed])].flatMap((name) => {
    const value = parameter(query, name);
    return value ? [[name, value] as const] : [];
  });
  refuseLong(given);
  const parameters = Object.fromEntries(given);
  const maxAge = parameters['max_age'];
  if (maxAge !== undefined && !/^\d{1,9}$/.test(maxAge)) {
    throw new BffError('invalid_request', { cause: new Error('max_age is no number of seconds') });
  }
  return parameters;
}

/**
 * Throws `invalid_request` for parameters that are too long. Some are stored until the callback,
 * and a client without a session must not fill the store.
 */
function refuseLong(parameters: readonly (readonly [name: string, value: string])[]): void {
  let totalOctets = 0;
  for (const [name, value] of parameters) {
    const octets = Buffer.byteLength(value);
    totalOctets += octets;
    if (octets <= maxLoginParameter && totalOctets <= maxTotalOctets) continue;
    throw new BffError('invalid_request', { cause: new Error(`${name} is too long`) });
  }
}

/**
 * Returns the provider that a login names by its id, or by its issuer if another site starts the
 * login (OIDC Core §4). Returns `undefined` if it names none. Throws `unknown_provider`.
 */
export function namedProvider(query: Query, providers: ProviderRegistry): Provider | undefined {
  const id = parameter(query, 'provider');
  if (id !== undefined) return providers.get(id);
  const issuer = parameter(query, 'iss');
  return issuer === undefined ? undefined : providers.ofIssuer(issuer);
}

/**
 * Validates the return URL of a login and returns it exactly as it was sent. Another site sends an
 * absolute URL with our origin instead (`target_link_uri`, OIDC Core §4), which follows the same
 * rules. Throws `invalid_return_url`.
 */
export function returnUrlOf(query: Query, rules: ReturnUrlRules): string {
  const target = parameter(query, 'target_link_uri');
  const { publicUrl } = rules;
  const isOurs = target === publicUrl || target?.startsWith(`${publicUrl}/`);
  const local = isOurs ? target?.slice(publicUrl.length) : target;
  return validatedReturnUrl(parameter(query, 'returnUrl') || local, rules);
}

/**
 * Prevents login CSRF: a login must be a navigation, not an image, a script or a hidden frame of
 * another page. Throws `csrf`. Requests of browsers without fetch metadata are accepted.
 */
export function refuseHiddenLogin(headers: IncomingHttpHeaders, parameters: LoginParameters): void {
  const destination = headers['sec-fetch-dest'];
  if (destination === undefined || destination === 'document') return;
  if (destination === 'iframe' && parameters['prompt'] === 'none') return;
  throw new BffError('csrf', { cause: new Error(`Sec-Fetch-Dest is ${destination}`) });
}

/**
 * Requires that the request comes from our own pages or from an address that the user typed. A link
 * on another site may start a login, but it must not change an existing session. Throws `csrf`.
 * Requests of browsers without fetch metadata are accepted.
 */
export function refuseOtherSites({ 'sec-fetch-site': site }: IncomingHttpHeaders): void {
  if (site === undefined || site === 'same-origin' || site === 'none') return;
  throw new BffError('csrf', { cause: new Error(`Sec-Fetch-Site is ${String(site)}`) });
}
