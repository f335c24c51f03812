import type { HookedClaims, SignInUser } from '../../oauth/hook/sign-in-hook.ts';
import {
  aboutTheUser,
  type Claims,
  claimsInIdToken,
  type ClaimSources,
} from '../../oauth/login/claims.ts';
import { mergeClaims, withNamed } from '../../oauth/login/merge-claims.ts';
import type { TokenSet } from '../../oauth/tokens/token-set.ts';

/** Claims that describe the sign-in itself. They stay as they were at the sign-in. */
const signInClaims = new Set(['sub', 'acr', 'auth_time']);

/** An account with its claims and their sources. */
interface Account {
  readonly sub: string;
  readonly claims: Claims;
  readonly tokens: TokenSet;
  readonly sources?: ClaimSources;
}

/** The settings of a claims policy. */
export interface ClaimsPolicyParts {
  /** The hook. `undefined` if there is none. */
  readonly hook?: HookedClaims | undefined;
  /** `user.claims`. By default everything but claims about the token is kept. */
  readonly kept?: readonly string[] | undefined;
  /** The names of the claims that rules use. */
  readonly ruleClaims?: readonly string[] | undefined;
  /** Whether `login.require` admits a user with these claims. */
  readonly admits?: ((claims: Claims) => boolean) | undefined;
}

/** Selects the claims that an account keeps from those that its provider sent. */
export class ClaimsPolicy {
  constructor(private readonly parts: ClaimsPolicyParts) {}

  /** Whether claims depend on a hook, so that they cannot be computed synchronously. */
  get isHooked(): boolean {
    return this.parts.hook !== undefined;
  }

  /**
   * Returns the claims that the account keeps after `event`. Runs the hook if there is one. Throws
   * `not_allowed` or `hook_unavailable`.
   */
  async resolve(event: SignInUser['event'], provider: string, account: Account): Promise<Claims> {
    const { hook } = this.parts;
    const all = this.#providerClaims(event, account);
    if (!hook) return this.#kept(all);
    const { sub } = account;
    const claims = await hook({ event, provider, sub, claims: aboutTheUser(all) });
    return this.#kept(this.parts.kept ? { ...aboutTheToken(all), ...claims } : claims);
  }

  /** Returns the claims that the account keeps after a refresh. Use it only without a hook. */
  withoutHook(account: Account): Claims {
    return this.#kept(this.#providerClaims('refresh', account));
  }

  /** Whether the rules of sign-ins admit the claims. */
  admits(claims: Claims): boolean {
    return this.parts.admits?.(claims) ?? true;
  }

  /**
   * Returns the part of UserInfo to store: all of it for a hook, which gets it at every refresh.
   */
  stored(userInfo: Claims): Claims {
    return this.isHooked ? userInfo : this.#kept(userInfo);
  }

  #kept(claims: Claims): Claims {
    const { kept } = this.parts;
    if (!kept) return aboutTheUser(claims);
    const whole = Object.entries(claims).filter(([name]) => kept.includes(name));
    return withNamed(Object.fromEntries(whole), claims, kept);
  }

  /** The claims of the ID token and UserInfo. The newer source takes precedence. */
  #providerClaims(event: SignInUser['event'], account: Account): Claims {
    const idToken = claimsInIdToken(account.tokens);
    const { userInfo: other = {}, isUserInfoNewer } = sourcesOf(account);
    const { ruleClaims } = this.parts;
    const merged = isUserInfoNewer
      ? mergeClaims(idToken, other, ruleClaims)
      : mergeClaims(other, idToken, ruleClaims);
    return event === 'sign_in' ? merged : withSignIn(merged, account);
  }
}

/**
 * Returns the sources of an account's claims. Records of releases before 0.4 have none. In these,
 * the claims that are not in the ID token count as claims of UserInfo, so that they are kept.
 */
export function sourcesOf({ sources, claims, tokens }: Omit<Account, 'sub'>): ClaimSources {
  return sources ?? { readAt: 0, userInfo: notIn(claims, claimsInIdToken(tokens)) };
}

/** Returns the claims, except that claims about the sign-in stay as they are in the account. */
function withSignIn(claims: Claims, { claims: before, sub }: Account): Claims {
  const others = Object.entries(claims).filter(([name]) => !signInClaims.has(name));
  const same = Object.entries(before).filter(([name]) => signInClaims.has(name));
  return Object.fromEntries([['sub', sub], ...others, ...same]);
}

function notIn(claims: Claims, others: Claims): Claims {
  return Object.fromEntries(
    Object.entries(claims).filter(([name]) => !Object.hasOwn(others, name)),
  );
}

function aboutTheToken(claims: Claims): Claims {
  return notIn(claims, aboutTheUser(claims));
}
