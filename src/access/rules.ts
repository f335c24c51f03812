import type { AccessRule } from '../config/options.ts';
import { claimReader } from '../oauth/login/claim-reader.ts';
import type { Claims } from '../oauth/login/claims.ts';
import { isAddressAt } from './email-address.ts';

/** Why rules refuse a user. It contains no value of a claim. */
export interface Refusal {
  /** The claim of the rule that did not hold. For an `anyOf`, that of its first entry. */
  readonly claim: string;
  /** The index of the rule in its list. */
  readonly index: number;
}

/** Rules that are compiled for fast checks. */
export interface CompiledRules {
  /**
   * Checks the claims of a user. Returns `undefined` if every rule holds. Rules with `methods` are
   * skipped for other methods. Without a `method` all rules are checked. A WebSocket counts as
   * `GET`.
   */
  refusal(claims: Claims, method?: string): Refusal | undefined;
}

type Condition = Omit<AccessRule, 'anyOf' | 'methods'>;
type ClaimValue = NonNullable<Condition['equals']>;

type Holds = (claims: Claims) => boolean;

interface CompiledRule {
  readonly holds: Holds;
  readonly refusal: Refusal;
  /** `undefined` if the rule is for all methods. */
  readonly methods: ReadonlySet<string> | undefined;
}

/** Compiles rules of the configuration. An empty list refuses no one. */
export function compileRules(rules: readonly AccessRule[]): CompiledRules {
  const compiled = rules.map(compileRule);
  return {
    refusal(claims, method) {
      for (const { methods, holds, refusal } of compiled) {
        const applies = !methods || method === undefined || methods.has(method);
        if (applies && !holds(claims)) return refusal;
      }
      return undefined;
    },
  };
}

function compileRule(rule: AccessRule, index: number): CompiledRule {
  const conditions = rule.anyOf ?? [rule];
  const alternatives = conditions.map(compileCondition);
  const holds: Holds = (claims) => {
    for (const alternative of alternatives) if (alternative(claims)) return true;
    return false;
  };
  const claim = conditions[0]?.claim ?? '';
  return { holds, refusal: { claim, index }, methods: methodsOf(rule.methods) };
}

function methodsOf(methods: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return methods && new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods);
}

function compileCondition(condition: Condition): Holds {
  const { claim = '', emailDomain: domains, unverified } = condition;
  const read = claimReader(claim);
  if (!domains) {
    const test = valueTest(condition);
    return (claims) => test(read(claims));
  }
  return (claims) => {
    const value = read(claims);
    return isAddressAt(value, domains) && (unverified === true || isVerified(claims, value));
  };
}

const readEmail = claimReader('email');
const readEmailVerified = claimReader('email_verified');

/**
 * `email_verified` is about the address in `email` alone (OIDC Core §5.1). The address of another
 * claim, which users may be able to choose, is verified only if it is the same.
 */
function isVerified(claims: Claims, address: string): boolean {
  return readEmailVerified(claims) === true && readEmail(claims) === address;
}

/** The test of the one operator that a condition has. */
function valueTest({ any, all, equals }: Condition): (value: unknown) => boolean {
  if (any) return hasAny(new Set(any));
  if (all) return hasAll([...new Set(all)]);
  if (equals !== undefined) return (value) => value === equals;
  return isPresent;
}

function hasAny(accepted: ReadonlySet<ClaimValue>): (value: unknown) => boolean {
  return (value) => {
    if (!Array.isArray(value)) return isComparable(value) && accepted.has(value);
    let isFound = false;
    for (const entry of value) {
      if (!isComparable(entry)) return false;
      isFound ||= accepted.has(entry);
    }
    return isFound;
  };
}

function hasAll(accepted: readonly ClaimValue[]): (value: unknown) => boolean {
  return (value) => {
    if (!Array.isArray(value)) return accepted.every((one) => one === value);
    // Not `every`, which skips the holes of a list.
    for (const entry of value) if (!isComparable(entry)) return false;
    return accepted.every((one) => value.includes(one));
  };
}

/** Whether a value can be compared: a string, a finite number or a boolean. */
function isComparable(value: unknown): value is ClaimValue {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value === 'string' || typeof value === 'boolean';
}

/** `exists` holds unless the claim is missing, `null`, an empty string or an empty list. */
function isPresent(value: unknown): boolean {
  if (typeof value !== 'object') return isComparable(value) && value !== '';
  return value !== null && !(Array.isArray(value) && value.length === 0);
}
