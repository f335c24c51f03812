import { setTimeout } from 'node:timers/promises';
import type { KeyValueStore } from '../key-value-store.ts';

/** A store under test, and keys that no other case uses. */
export interface StoreUnderTest {
  readonly store: KeyValueStore;
  readonly prefix: string;
  readonly newKey: () => string;
}

/** Cases by name. Each rejects with an `AssertionError` if the store breaks its promise. */
export type ConformanceCases = Readonly<Record<string, (subject: StoreUnderTest) => Promise<void>>>;

/** The maximum time until a value expires that should have expired already, in milliseconds. */
const deadline = 10_000;

/** Resolves as soon as the condition holds. Throws after ten seconds. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + deadline;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not true within ${deadline} ms: ${String(condition)}`);
    await setTimeout(10);
  }
}
