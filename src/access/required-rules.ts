import 'reflect-metadata';
import { parseRules } from '../config/load.ts';
import type { SignInRule } from '../config/options.ts';
import { claimsIn } from '../oauth/login/wanted-claims.ts';
import { type CompiledRules, compileRules } from './rules.ts';

const requiredRules = Symbol('required rules');

const requiredClaims = new Set<string>();

/**
 * Returns the names of all claims that rules of controllers in this process look at. Controllers
 * are declared before the application starts.
 */
export function claimsOfControllers(): readonly string[] {
  return [...requiredClaims];
}

/** Prepares rules that are written in code. Throws `ConfigurationError`. */
export function compileRequiredRules(rules: readonly SignInRule[], where: string): CompiledRules {
  const parsed = parseRules(rules, where);
  for (const claim of claimsIn(parsed)) requiredClaims.add(claim);
  return compileRules(parsed);
}

/**
 * Adds rules to a controller class or to a handler. They are kept as metadata, which decorators
 * that replace a handler copy. A subclass has those of its base class too.
 */
export function addRequiredRules(target: object, rules: CompiledRules): void {
  Reflect.defineMetadata(requiredRules, [...requiredRulesOf(target), rules], target);
}

/** The rules of a controller class or of a handler. */
export function requiredRulesOf(target: object): readonly CompiledRules[] {
  const rules: unknown = Reflect.getMetadata(requiredRules, target);
  return (rules as readonly CompiledRules[] | undefined) ?? [];
}
