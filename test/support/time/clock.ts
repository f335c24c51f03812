/** A clock that a test sets. */
export interface TestClock {
  /** The time, in epoch milliseconds. Hand this function to the BFF. */
  readonly now: () => number;
  advance(milliseconds: number): void;
}

/** A clock that runs like the real one and can be put forward. */
export function testClock(): TestClock {
  let ahead = 0;
  return {
    now: () => Date.now() + ahead,
    advance: (milliseconds) => {
      ahead += milliseconds;
    },
  };
}

/** A clock that only advances when a test advances it. */
export function frozenClock(): TestClock {
  let time = Date.now();
  return {
    now: () => time,
    advance: (milliseconds) => {
      time += milliseconds;
    },
  };
}
