import { createFetch } from './api-fetch.ts';
import { createEndpoints, type CsrfHeader } from './endpoints.ts';
import { LiveSession } from './live-session.ts';
import { RequiredSignIns, type SignInMethod } from './required-sign-in.ts';
import { createSignIns, type LoginOptions } from './sign-in.ts';
import { type BffState, StateStore } from './state.ts';
import type { BffUser, StandardClaims } from './user.ts';

/** Options of `createBffClient`. All of them have defaults. */
export interface BffClientOptions {
  /**
   * The path of the BFF's endpoints as the browser sees it, `/bff` by default. With a `publicUrl`
   * that has a path, it begins with that path.
   */
  readonly basePath?: string;
  /** The CSRF header, as `csrf` in `bff.yaml` has it. By default `X-CSRF: 1`. */
  readonly csrf?: Partial<CsrfHeader>;
  /** How `fetch` signs in after `401`. By default `redirect`. */
  readonly signIn?: SignInMethod;
}

/** The browser client of a BFF. Its functions need no `this`. */
export interface BffClient<Claims extends object = StandardClaims> {
  /**
   * Requests who is signed in, `null` for nobody, and from then on keeps the state up to date.
   * Counts as activity of the user. Rejects with a `BffClientError` if the BFF cannot tell.
   */
  getUser(): Promise<BffUser<Claims> | null>;
  /**
   * Signs in and resolves with the state after it. Without `popup` the page is left; the promise
   * then resolves only if the user stays. Never rejects.
   */
  login(options?: LoginOptions): Promise<BffState<Claims>>;
  /**
   * Signs out here and at the provider: ends the session, then leaves the page for `returnUrl`, a
   * path of this site. Rejects with a `BffClientError` if the session could not be ended.
   */
  logout(options?: { readonly returnUrl?: string }): Promise<void>;
  /**
   * Calls the API, like the `fetch` of the browser. Adds the CSRF header to calls of this origin,
   * and only to those. Signs in once after `401 not_signed_in` or `401 step_up_required`, however
   * many calls failed, and repeats them if the page has not been left. Waits for `Retry-After` of a
   * `503` and repeats the call if its method is idempotent.
   */
  fetch: typeof fetch;
  /**
   * Calls the listener after each change of the state, and keeps the state up to date. Returns a
   * function that removes the listener.
   */
  subscribe(listener: () => void): () => void;
  /** Returns the state: the same object until it changes. */
  getSnapshot(): BffState<Claims>;
  /**
   * Refreshes tokens and claims now, after a change of roles for example. Resolves with the user,
   * `null` for nobody. Rejects with a `BffClientError`, and the session stays.
   */
  refresh(): Promise<BffUser<Claims> | null>;
}

/**
 * Creates a client of the BFF. `Claims` is the type of the user's claims. On a server, where there
 * is no page, its state is `loading` and its `fetch` that of the server.
 */
export function createBffClient<Claims extends object = StandardClaims>({
  basePath = '/bff',
  csrf = {},
  signIn = 'redirect',
}: BffClientOptions = {}): BffClient<Claims> {
  const proof = { header: csrf.header ?? 'X-CSRF', value: csrf.value ?? '1' };
  const name = `pixie-bff:${basePath}`;
  const endpoints = createEndpoints(basePath, proof);
  const store = new StateStore<Claims>(endpoints);
  const signIns = createSignIns(basePath, name, store);
  // Who wants the state to be kept up to date. `getUser` never stops to.
  let holders = 0;
  let live: LiveSession | undefined;

  function start(): void {
    if (globalThis.document) live ??= new LiveSession(basePath, name, store);
  }

  return {
    async getUser() {
      holders += 1;
      start();
      return (await store.user()) ?? null;
    },
    async login(options = {}) {
      await (options.popup ? signIns.popUp(options) : signIns.redirect(options));
      return store.get();
    },
    logout: ({ returnUrl } = {}) =>
      signIns.leave(async () => {
        const query = returnUrl === undefined ? '' : `?${new URLSearchParams({ returnUrl })}`;
        const body = await endpoints(`/logout${query}`, 'POST');
        store.end('signed_out');
        return (body as { readonly location: string }).location;
      }),
    fetch: createFetch(proof, new RequiredSignIns(signIn, signIns, store), store),
    subscribe(listener) {
      const unsubscribe = store.subscribe(listener);
      holders += 1;
      start();
      let isSubscribed = true;
      return () => {
        if (!isSubscribed) return;
        isSubscribed = false;
        unsubscribe();
        holders -= 1;
        if (holders > 0) return;
        live?.stop();
        live = undefined;
      };
    },
    getSnapshot: store.get,
    refresh: async () => (await store.load('/refresh', 'POST')) ?? null,
  };
}

export { BffClientError } from './client-error.ts';
export type { CsrfHeader } from './endpoints.ts';
export type { RequiredSignIn, SignInMethod } from './required-sign-in.ts';
export type { LoginOptions } from './sign-in.ts';
export type { BffReason, BffState } from './state.ts';
export type { BffUser, ConnectedAccount, StandardClaims, UserSession } from './user.ts';
