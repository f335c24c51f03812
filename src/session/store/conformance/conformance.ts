import { randomBytes } from 'node:crypto';
import type { KeyValueStore } from '../key-value-store.ts';
import type { ConformanceCases } from './conformance-case.ts';
import { listCases } from './lists.ts';
import { slotCases } from './slots.ts';
import { valueCases } from './values.ts';

/** One promise of `KeyValueStore`, for any test runner. */
export interface ConformanceTest {
  readonly name: string;
  /** Opens a store, tests it and closes it. Rejects if the store breaks the promise. */
  readonly run: () => Promise<void>;
}

/** Options of `conformance`. */
export interface ConformanceOptions {
  /** The beginning of all keys that the tests write. Defaults to `conformance:`. */
  readonly prefix?: string;
}

/**
 * Returns the tests that every `KeyValueStore` must pass, except those of `watch`, which needs two
 * processes. `open` opens a store that the test closes. All keys expire within a minute.
 *
 * @example
 * ```ts
 * for (const { name, run } of conformance(() => new MyStore(url))) test(name, run);
 * ```
 */
export function conformance(
  open: () => KeyValueStore | Promise<KeyValueStore>,
  { prefix = 'conformance:' }: ConformanceOptions = {},
): ConformanceTest[] {
  const newKey = () => prefix + randomBytes(8).toString('hex');
  const testsOf = (subject: string, cases: ConformanceCases) =>
    Object.entries(cases).map(([name, test]) => ({
      name: `${subject}: ${name}`,
      run: async () => {
        const store = await open();
        try {
          await test({ store, prefix, newKey });
        } finally {
          await store.close();
        }
      },
    }));
  return [
    ...testsOf('values', valueCases),
    ...testsOf('lists', listCases),
    ...testsOf('places', slotCases),
    ...testsOf('store', storeCases),
  ];
}

const storeCases: ConformanceCases = {
  'can be closed twice': async ({ store }) => store.close(),
};
