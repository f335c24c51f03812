import type { IncomingHttpHeaders } from 'node:http';
import { BffError } from '../../errors.ts';
import type { Demand } from '../../oauth/login/acr.ts';
import { isConnection } from '../../session/sessions/linked-accounts.ts';
import { longestLoginParameter } from '../../oauth/login/login.ts';
import type { Session } from '../../session/sessions/session.ts';

/** Where a route's users sign in. */
export interface SignInPlace {
  readonly basePath: string;
  /** The provider whose token the route carries. */
  readonly provider: string | undefined;
  /** Where nobody has to say which one it is. */
  readonly defaultProvider: string | undefined;
}

/** What a sign-in is asked for. */
type Wishes = Readonly<Record<'acr_values' | 'max_age', string | undefined>>;

/**
 * Where a page sends its user for what a route wants: to sign in, or to connect an account to the
 * session there is.
 */
export function loginUrl(
  { basePath, provider = '', defaultProvider }: SignInPlace,
  isConnected: boolean,
  wishes?: Wishes,
): string {
  const query = new URLSearchParams();
  if (!isConnected && provider !== defaultProvider) query.set('provider', provider);
  for (const [name, value] of Object.entries(wishes ?? {})) if (value) query.set(name, value);
  const path = isConnected ? `${basePath}/connect/${provider}` : `${basePath}/login`;
  return query.size > 0 ? `${path}?${query}` : path;
}

/** Refuses a session that was not begun as the route demands (RFC 9470 §3, said by us). */
export function stepUpFor(place: SignInPlace, session: Session, demand: Demand): BffError {
  const { acr, maxAge } = demand;
  const seconds = maxAge === undefined ? undefined : Math.floor(maxAge / 1000).toString();
  return stepUp(place, isConnection(session), { acr_values: acr, max_age: seconds });
}

/** An upstream's answer that it wants another sign-in, as ours. Absent: it says something else. */
export type StepUpResponse = (refusal: IncomingHttpHeaders) => BffError | undefined;

/**
 * Reads the challenge of an upstream (RFC 9470 §3), for who is signed in, or for an account that is
 * connected.
 */
export function stepUpResponse(place: SignInPlace, isConnected: boolean): StepUpResponse {
  return (refusal) => {
    const challenge = [refusal['www-authenticate'] ?? []].flat().join(', ');
    if (!challenge.includes('insufficient_user_authentication')) return undefined;
    const attributes = attributesOf(challenge);
    if (attributes.get('error') !== 'insufficient_user_authentication') return undefined;
    const { acr_values: acr = '', max_age: maxAge } = Object.fromEntries(attributes);
    return stepUp(place, isConnected, {
      // What `login` would refuse is not worth a link.
      acr_values: Buffer.byteLength(acr) <= longestLoginParameter ? acr : undefined,
      max_age: maxAge !== undefined && /^\d{1,9}$/.test(maxAge) ? maxAge : undefined,
    });
  };
}

function stepUp(place: SignInPlace, isConnected: boolean, wishes: Wishes): BffError {
  const extensions = { loginUrl: loginUrl(place, isConnected, wishes) };
  return new BffError('step_up_required', { extensions });
}

/**
 * The attributes of challenges (RFC 9110 §11.2), the first of each name. What is quoted hides
 * nothing: it is read as a whole.
 */
function attributesOf(challenge: string): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  // The lookbehind starts a name only at its first character, which keeps matching linear.
  const pattern = /(?<![\w.~-])([\w.~-]+)\s?=\s?(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/g;
  for (const [, name = '', quoted, plain = ''] of challenge.matchAll(pattern)) {
    const value = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain;
    const key = name.toLowerCase();
    if (!attributes.has(key) && !/\p{Cc}/u.test(value)) attributes.set(key, value);
  }
  return attributes;
}
