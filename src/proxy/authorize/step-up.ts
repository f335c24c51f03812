import type { IncomingHttpHeaders } from 'node:http';
import { BffError } from '../../errors.ts';
import { challengeAttributes } from '../../http/challenge-attributes.ts';
import type { Demand } from '../../oauth/login/acr.ts';
import { maxLoginParameter } from '../../oauth/login/login.ts';

/** Where users sign in for a route. */
export interface SignInTarget {
  readonly basePath: string;
  /** The provider whose token the route carries. */
  readonly provider: string | undefined;
  /** The provider that needs no `provider` parameter in login URLs. */
  readonly defaultProvider: string | undefined;
}

/** Login parameters that the step-up requires. */
type StepUpParameters = Readonly<Record<'acr_values' | 'max_age', string | undefined>>;

/**
 * Returns the URL where the user meets the requirements of a route: a login, or if `isConnected`
 * the connection of an account to the existing session.
 */
export function loginUrl(
  { basePath, provider = '', defaultProvider }: SignInTarget,
  isConnected: boolean,
  parameters?: StepUpParameters,
): string {
  const query = new URLSearchParams();
  if (!isConnected && provider !== defaultProvider) query.set('provider', provider);
  for (const [name, value] of Object.entries(parameters ?? {})) if (value) query.set(name, value);
  const path = isConnected ? `${basePath}/connect/${provider}` : `${basePath}/login`;
  return query.size > 0 ? `${path}?${query}` : path;
}

/**
 * Creates the `step_up_required` error for a sign-in that does not meet the demand of a route. Its
 * parameters are those of a step-up challenge (RFC 9470 §3). `isConnected` tells whether it is that
 * of a connected account. Without a target there is no login URL.
 */
export function stepUpError(
  signInTarget: SignInTarget | undefined,
  isConnected: boolean,
  demand: Demand,
): BffError {
  const { acr, maxAge } = demand;
  const seconds = maxAge === undefined ? undefined : Math.floor(maxAge / 1000).toString();
  return stepUp(signInTarget, isConnected, { acr_values: acr, max_age: seconds });
}

/**
 * Translates an upstream's step-up challenge to an error. Returns `undefined` if the response
 * contains no such challenge.
 */
export type StepUpReader = (refusal: IncomingHttpHeaders) => BffError | undefined;

/**
 * Creates a reader of an upstream's step-up challenges (RFC 9470 §3). `isConnected` tells whether
 * the token is that of a connected account.
 */
export function stepUpReader(
  signInTarget: SignInTarget | undefined,
  isConnected: boolean,
): StepUpReader {
  return (refusal) => {
    const challenge = [refusal['www-authenticate'] ?? []].flat().join(', ');
    if (!challenge.includes('insufficient_user_authentication')) return undefined;
    const attributes = challengeAttributes(challenge);
    if (attributes.get('error') !== 'insufficient_user_authentication') return undefined;
    const { acr_values: acr = '', max_age: maxAge } = Object.fromEntries(attributes);
    return stepUp(signInTarget, isConnected, {
      // The login endpoint would refuse longer values.
      acr_values: Buffer.byteLength(acr) <= maxLoginParameter ? acr : undefined,
      max_age: maxAge !== undefined && /^\d{1,9}$/.test(maxAge) ? maxAge : undefined,
    });
  };
}

function stepUp(
  signInTarget: SignInTarget | undefined,
  isConnected: boolean,
  parameters: StepUpParameters,
): BffError {
  const url = signInTarget && loginUrl(signInTarget, isConnected, parameters);
  const extensions = { loginUrl: url };
  return new BffError('step_up_required', { extensions, challenge: parameters });
}
