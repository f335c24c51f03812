import { Counter } from './metric.ts';
import type { LineStream } from './standard-output.ts';

/** Creates the counter of log lines that a process has dropped. */
export function droppedLinesCounter(): Counter {
  return new Counter('pixie_log_lines_dropped_total', 'Lines of the log that were dropped.');
}

/** Counts the lines that a log drops. Without a call the metric has no value. */
export function countDroppedLines(log: LineStream, counter: Counter): void {
  counter.add([], 0);
  log.onDrop?.((lines) => counter.add([], lines));
}
