const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** One keystroke may arrive twice, from the terminal and from npm. */
const sameRequestMs = 500;

/**
 * Calls `end` at the first Ctrl-C or `SIGTERM`; a second one ends the process at once. Under `npm
 * run` the death of npm counts as well: killed by a signal, it does not pass it on to us.
 */
export function onRequestToEnd(end: () => void): void {
  let requestedAt: number | undefined;
  const requestStop = () => {
    if (requestedAt === undefined) {
      requestedAt = Date.now();
      end();
    } else if (Date.now() - requestedAt > sameRequestMs) process.exit(130);
  };
  for (const signal of signals) process.on(signal, requestStop);
  if (process.env['npm_lifecycle_event']) whenOrphaned(requestStop);
}

function whenOrphaned(requestStop: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    requestStop();
  }, 500);
  timer.unref();
}
