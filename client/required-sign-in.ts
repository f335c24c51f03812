import type { SignIns } from './sign-in.ts';
import type { StateStore } from './state.ts';

/** A sign-in that a call of the API requires. */
export interface RequiredSignIn {
  /** `not_signed_in` or `step_up_required`. */
  readonly code: string;
  /** Where it begins. Pass it to `login`. Optional: without it, at the default provider. */
  readonly loginUrl?: string;
}

/**
 * How a call signs in that gets `401`. `redirect` leaves the page and comes back, `popup` opens a
 * window, a function signs in by itself and resolves with whether that succeeded, `false` does not
 * sign in.
 */
export type SignInMethod =
  'redirect' | 'popup' | false | ((required: RequiredSignIn) => Promise<boolean>);

/** Signs in for calls of the API, once for all calls that need it at a time. */
export class RequiredSignIns {
  #running: Promise<boolean> | undefined;

  constructor(
    private readonly method: SignInMethod,
    private readonly signIns: SignIns,
    private readonly store: StateStore<object>,
  ) {}

  /** Resolves with whether the call may be repeated. */
  signIn(required: RequiredSignIn): Promise<boolean> {
    this.#running ??= this.#begin(required).finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #begin(required: RequiredSignIn): Promise<boolean> {
    const { method, signIns, store } = this;
    const before = store.signIns;
    if (method) await this.#untilShown(before);
    if (store.signIns > before) return true;
    if (signIns.isLeaving() || (method === 'redirect' && signIns.mayRedirect()))
      await signIns.redirect(required);
    // The user may be typing a password in the open window.
    else if (method === 'popup') return signIns.openPopup() ?? signIns.popUp(required);
    else if (typeof method === 'function') return method(required);
    // The call knows that the session may be over. The state should know too.
    await store.check().catch(() => {});
    return false;
  }

  /**
   * Waits until this tab is shown, so that no tab is led away from what its user left there, or
   * until another tab has signed in.
   */
  #untilShown(before: number): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (document.visibilityState !== 'visible' && this.store.signIns === before) return;
        document.removeEventListener('visibilitychange', look);
        unsubscribe();
        resolve();
      };
      const unsubscribe = this.store.subscribe(look);
      document.addEventListener('visibilitychange', look);
      look();
    });
  }
}
