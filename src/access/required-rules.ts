import 'reflect-metadata';
import { parseRules } from '../config/load.ts';
import type { SignInRule } from '../config/options.ts';
import type { Claims } from '../oauth/login/claims.ts';
import { claimsIn } from '../oauth/login/rule-claims.ts';
import { type CompiledRules, compileRules, type Refusal } from './rules.ts';

const requiredRules = Symbol('required rules');

const requiredClaims = new Set<string>();

/**
 * Returns the names of all claims that rules of controllers in this process use. It is complete
 * once the modules of the host application are imported.
 */
export function claimsOfControllers(): readonly string[] {
  return [...requiredClaims];
}

/**
 * Validates and compiles rules that are written in code. `where` names their place in messages.
 * Throws `ConfigurationError`.
 */
export function compileRequiredRules(rules: readonly SignInRule[], where: string): CompiledRules {
  const parsed = parseRules(rules, where);
  for (const claim of claimsIn(parsed)) requiredClaims.add(claim);
  return compileRules(parsed);
}

/**
 * Adds rules to a controller class or to a handler. They are stored as metadata, because decorators
 * that replace a handler copy its metadata. A subclass inherits the rules of its base class.
 */
export function addRequiredRules(target: object, rules: CompiledRules): void {
  Reflect.defineMetadata(requiredRules, [...requiredRulesOf(target), rules], target);
}

/**
 * Checks the rules of a handler and of its class. Returns `undefined` if all of them hold.
 */
export function refusalOf(
  context: { getClass(): object; getHandler(): object },
  claims: Claims,
): Refusal | undefined {
  for (const rules of [context.getClass(), context.getHandler()].flatMap(requiredRulesOf)) {
    const refusal = rules.refusal(claims);
    if (refusal) return refusal;
  }
  return undefined;
}

/** The rules of a controller class or of a handler. */
function requiredRulesOf(target: object): readonly CompiledRules[] {
  const rules: unknown = Reflect.getMetadata(requiredRules, target);
  return (rules as readonly CompiledRules[] | undefined) ?? [];
}
