/**
 * The package `pixie-bff/store`: the store of sessions as an interface, and the tests that every
 * implementation must pass. Use a store with `BffModule.forRoot(options, { store })`.
 */
export type {
  Fence,
  KeyValueStore,
  KeyWatcher,
  ListEntry,
  PageRequest,
  MemberTimes,
} from './session/store/key-value-store.ts';
export {
  conformance,
  type ConformanceOptions,
  type ConformanceTest,
} from './session/store/conformance/conformance.ts';
