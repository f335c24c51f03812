/** The final part of a deadline, in milliseconds. See `startDeadline`. */
const finalPart = 100;

/** Optional settings of a deadline. */
export interface DeadlineSettings {
  /** Whether the process stays alive until the deadline. `false` by default. */
  readonly keepsProcessAlive?: boolean;
}

/**
 * Calls `onDeadline` after this number of milliseconds. The returned function cancels it.
 *
 * After a long synchronous task, the event loop runs expired timers before it reads the sockets,
 * where the response may already be. So the final 100 ms have a timer of their own, which starts
 * only when the event loop runs again, and the sockets are read once more after it.
 */
export function startDeadline(
  milliseconds: number,
  onDeadline: () => void,
  { keepsProcessAlive = false }: DeadlineSettings = {},
): () => void {
  const final = Math.min(finalPart, milliseconds);
  let immediate: NodeJS.Immediate | undefined;
  const start = (act: () => void, delay: number) => {
    const timer = setTimeout(act, delay);
    return keepsProcessAlive ? timer : timer.unref();
  };
  let timer = start(() => {
    timer = start(() => {
      // The event loop runs timers, then sockets, then immediates.
      immediate = setImmediate(onDeadline);
    }, final);
  }, milliseconds - final);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}

/**
 * Waits for `work`, at most for this number of milliseconds. After that, returns the result of
 * `atDeadline`, or throws its error. The work is not cancelled: its late result is ignored, and its
 * late error does not become an unhandled rejection. No timer is left running.
 */
export async function withDeadline<T, Late>(
  work: Promise<T>,
  milliseconds: number,
  atDeadline: () => Late,
  settings?: DeadlineSettings,
): Promise<T | Late> {
  const { promise: deadline, resolve } = Promise.withResolvers<void>();
  const cancel = startDeadline(milliseconds, resolve, settings);
  try {
    return await Promise.race([work, deadline.then(atDeadline)]);
  } finally {
    cancel();
  }
}
