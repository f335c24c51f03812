/** A value that is often available without waiting, such as a cached session. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * Calls `step` with the value: at once, or after the promise. A call whose session and token are
 * cached thus creates no promise, which would cost as much as its header rules.
 */
export function after<T, R>(
  value: MaybePromise<T>,
  step: (value: T) => MaybePromise<R>,
): MaybePromise<R> {
  return value instanceof Promise ? value.then(step) : step(value);
}
