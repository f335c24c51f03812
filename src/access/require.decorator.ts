import { UseGuards } from '@nestjs/common';
import type { SignInRule } from '../config/options.ts';
import { addRequiredRules, compileRequiredRules } from './required-rules.ts';
import { SignedInGuard } from './signed-in.guard.ts';

/**
 * Restricts a controller of the host application, or one of its handlers, to signed-in users for
 * whom every rule holds. Includes `SignedInGuard`. The rules have the form of `login.require` in
 * `bff.yaml`. All rules of the class, of the handler and of several `@Require` must hold. Refused
 * requests get `403 not_allowed` with the `claim` that did not hold. Throws `ConfigurationError`
 * when it is applied if a rule is not well formed.
 *
 * @example
 * ```ts
 * @Require({ claim: 'roles', any: ['admin'] })
 * @Delete(':id')
 * remove(@Param('id') id: string) {}
 * ```
 */
export function Require(...rules: readonly SignInRule[]): ClassDecorator & MethodDecorator {
  const compiled = compileRequiredRules(rules, '@Require()');
  const guard = UseGuards(SignedInGuard);
  return (target: object, key?: string | symbol, descriptor?: PropertyDescriptor): void => {
    addRequiredRules((descriptor?.value as object | undefined) ?? target, compiled);
    if (key === undefined || !descriptor) (guard as ClassDecorator)(target as never);
    else (guard as MethodDecorator)(target, key, descriptor);
  };
}
