import type { OnSignIn } from './function-hook.ts';

/** Injects the `BffHooks` of the host application. */
export const HOOKS = Symbol('hooks');

/** Functions of a host application that the BFF calls. */
export interface BffHooks {
  /** Adds claims to users or refuses them. Replaces `login.hook` of the configuration. */
  readonly onSignIn?: OnSignIn;
}
