'use client';

import {
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useState,
  useSyncExternalStore,
} from 'react';
import { type BffClient, type BffClientOptions, createBffClient } from '../client.ts';
import type { BffState } from '../state.ts';
import type { StandardClaims } from '../user.ts';

const Context = createContext<BffClient | undefined>(undefined);

/** What a server renders, and the browser at first, so that both agree. */
const loading: BffState<object> = { status: 'loading' };

/** Properties of `BffProvider`: a client, or options to create one. */
export interface BffProviderProps extends BffClientOptions {
  /** The client of the tree. By default one is created from the other properties. */
  readonly client?: BffClient<object>;
  readonly children?: ReactNode;
}

/** Gives a client to the components below. The options are read once. */
export function BffProvider({ client, children, ...options }: BffProviderProps): ReactNode {
  const [own] = useState(() => client ?? createBffClient(options));
  return createElement(Context.Provider, { value: (client ?? own) as BffClient }, children);
}

/**
 * Returns the client. `Claims` is the type of the user's claims, which is not checked at run time.
 * Throws without a `BffProvider` above.
 */
export function useBff<Claims extends object = StandardClaims>(): BffClient<Claims> {
  const client = useContext(Context);
  if (!client) throw new Error('There is no <BffProvider> above this component.');
  return client as unknown as BffClient<Claims>;
}

/** Returns who is signed in, and renders the component again when that changes. */
export function useUser<Claims extends object = StandardClaims>(): BffState<Claims> {
  const { subscribe, getSnapshot } = useBff<Claims>();
  return useSyncExternalStore(subscribe, getSnapshot, () => loading as BffState<Claims>);
}

/** Renders its children for a signed-in user. */
export function SignedIn({ children }: { readonly children?: ReactNode }): ReactNode {
  return useUser().status === 'signed-in' ? children : null;
}

/** Renders its children for a signed-out user, and nothing while that is not known. */
export function SignedOut({ children }: { readonly children?: ReactNode }): ReactNode {
  return useUser().status === 'signed-out' ? children : null;
}
