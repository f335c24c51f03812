import { getContext, setContext } from 'svelte';
import type { Readable } from 'svelte/store';
import { type BffClient, type BffClientOptions, createBffClient } from '../client.ts';
import type { BffState } from '../state.ts';
import type { StandardClaims } from '../user.ts';

const key = Symbol.for('pixie-bff');

/** Options of `setBff`: a client, or options to create one. */
export interface BffContextOptions extends BffClientOptions {
  /** The client. By default one is created from the other options. */
  readonly client?: BffClient<object>;
}

/** Gives a client to this component and those below, and returns it. Call it in the script. */
export function setBff<Claims extends object = StandardClaims>({
  client,
  ...options
}: BffContextOptions = {}): BffClient<Claims> {
  return setContext(key, (client ?? createBffClient(options)) as BffClient<Claims>);
}

/**
 * Returns the client. `Claims` is the type of the user's claims, which is not checked at run time.
 * Throws if no component above has called `setBff`.
 */
export function useBff<Claims extends object = StandardClaims>(): BffClient<Claims> {
  const client = getContext<BffClient<Claims> | undefined>(key);
  if (!client) throw new Error('No component above has called setBff().');
  return client;
}

/** Returns who is signed in, as a store: `$user` is the state. */
export function useUser<Claims extends object = StandardClaims>(): Readable<BffState<Claims>> {
  const { subscribe, getSnapshot } = useBff<Claims>();
  return {
    subscribe(run) {
      const unsubscribe = subscribe(() => run(getSnapshot()));
      run(getSnapshot());
      return unsubscribe;
    },
  };
}
