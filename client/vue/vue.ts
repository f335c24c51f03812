import {
  type App,
  defineComponent,
  getCurrentScope,
  inject,
  type InjectionKey,
  onScopeDispose,
  type ShallowRef,
  shallowRef,
  type SlotsType,
} from 'vue';
import { type BffClient, type BffClientOptions, createBffClient } from '../client.ts';
import type { BffState } from '../state.ts';
import type { BffUser, StandardClaims } from '../user.ts';

const key: InjectionKey<BffClient> = Symbol('pixie-bff');

/** Options of `createBff`: a client, or options to create one. */
export interface BffPluginOptions extends BffClientOptions {
  /** The client of the application. By default one is created from the other options. */
  readonly client?: BffClient<object>;
}

/** Creates the plugin that gives a client to the components of an application: `app.use(…)`. */
export function createBff({ client, ...options }: BffPluginOptions = {}): {
  install(app: App): void;
} {
  const given = (client ?? createBffClient(options)) as BffClient;
  return { install: (app) => void app.provide(key, given) };
}

/**
 * Returns the client. `Claims` is the type of the user's claims, which is not checked at run time.
 * Throws if the application does not use the plugin of `createBff`.
 */
export function useBff<Claims extends object = StandardClaims>(): BffClient<Claims> {
  const client = inject(key, undefined);
  if (!client) throw new Error('The application does not use the plugin of createBff().');
  return client as unknown as BffClient<Claims>;
}

/** Returns who is signed in, as a ref that changes with it until the component is unmounted. */
export function useUser<Claims extends object = StandardClaims>(): Readonly<
  ShallowRef<BffState<Claims>>
> {
  const { subscribe, getSnapshot } = useBff<Claims>();
  const state = shallowRef(getSnapshot());
  // A server renders once, and nothing there would end the subscription.
  if (globalThis.document) {
    const unsubscribe = subscribe(() => (state.value = getSnapshot()));
    if (getCurrentScope()) onScopeDispose(unsubscribe);
  }
  return state;
}

/** Renders its slot for a signed-in user, who is the `user` of the slot. */
export const SignedIn = defineComponent(
  (_props, { slots }) => {
    const state = useUser();
    return () => (state.value.user ? slots.default({ user: state.value.user }) : undefined);
  },
  { slots: Object as SlotsType<{ default: { readonly user: BffUser } }> },
);

/** Renders its slot for a signed-out user, and nothing while that is not known. */
export const SignedOut = defineComponent((_props, { slots }) => {
  const state = useUser();
  return () => (state.value.status === 'signed-out' ? slots['default']?.() : undefined);
});
