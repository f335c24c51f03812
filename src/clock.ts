/** Injects the `Clock`. */
export const CLOCK = Symbol('clock');

/** Returns the current time in epoch milliseconds. Injected, so that tests can freeze it. */
export type Clock = () => number;
