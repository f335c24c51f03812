/**
 * The final part of a deadline, in milliseconds. It starts only when the event loop runs. See
 * `startDeadline`.
 */
const lastStretch = 100;

/** Optional settings of a deadline. */
export interface DeadlineSettings {
  /** Whether the process stays alive until the deadline. `false` by default. */
  readonly keepsProcessAlive?: boolean;
}

/**
 * Calls `onDeadline` after this number of milliseconds. The returned function cancels it.
 *
 * Timers of a busy process fire before it reads its sockets, where the response may already wait.
 * So the final 100 ms start only once the event loop runs, and the sockets are read once more after
 * them.
 */
export function startDeadline(
  milliseconds: number,
  onDeadline: () => void,
  { keepsProcessAlive = false }: DeadlineSettings = {},
): () => void {
  const final = Math.min(lastStretch, milliseconds);
  let lastLook: NodeJS.Immediate | undefined;
  const start = (act: () => void, delay: number) => {
    const timer = setTimeout(act, delay);
    return keepsProcessAlive ? timer : timer.unref();
  };
  let timer = start(() => {
    timer = start(() => {
      // The event loop runs timers, then sockets, then immediates.
      lastLook = setImmediate(onDeadline);
    }, final);
  }, milliseconds - final);
  return () => {
    clearTimeout(timer);
    clearImmediate(lastLook);
  };
}

/**
 * Waits for `work`, at most for this number of milliseconds. Then the outcome is that of
 * `atDeadline`, which returns a value or throws. The work is not cancelled: its late result is
 * ignored, and its late error is no unhandled rejection. No timer remains after the outcome.
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
