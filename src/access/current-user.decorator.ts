import {
  createParamDecorator,
  type ExecutionContext,
  type PipeTransform,
  type Type,
} from '@nestjs/common';
import type { Claims } from '../oauth/login/claims.ts';
import { requestOf } from './context-request.ts';
import { type User, userOf } from './user.ts';

const currentUser = createParamDecorator((_: unknown, context: ExecutionContext) =>
  userOf(requestOf(context)),
);

/**
 * Injects the signed-in user into a handler behind `SignedInGuard`. The compiler checks that the
 * parameter has the type `User<C>`. Injects `undefined` if the guard did not run. Pipes receive the
 * user, as with any NestJS parameter.
 *
 * @example
 * ```ts
 * list(@CurrentUser<Staff>() user: User<Staff>) {}
 * ```
 */
export function CurrentUser<C extends object = Claims>(
  ...pipes: (Type<PipeTransform> | PipeTransform)[]
): ParameterOfType<User<C>> {
  return currentUser(...pipes) as ParameterOfType<User<C>>;
}

/** A decorator for parameters that accept `V`. */
export type ParameterOfType<V> = <T, K extends PropertyKey | undefined, I extends number>(
  target: T,
  key: K,
  index: Accepts<T, K, I, V> extends true ? I : 'The parameter has not the type User<C>.',
) => void;

/** Whether parameter `I` of the method `K` accepts `V`. Private methods are not checked. */
type Accepts<T, K, I extends number, V> = K extends keyof T
  ? T[K] extends (...parameters: infer P) => unknown
    ? V extends P[I]
      ? true
      : false
    : true
  : true;
