/** Injects the `Clock`. */
export const CLOCK = Symbol('clock');

/** The time, in epoch milliseconds. Passed in, so that tests can stop it. */
export type Clock = () => number;
