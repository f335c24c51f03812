import { Counter, type Registry } from 'prom-client';
import type { LineStream } from './standard-output.ts';

/** Adds the counter of log lines that this process has dropped to a registry. */
export function countDroppedLines(log: LineStream, registry: Registry): void {
  const dropped = new Counter({
    name: 'pixie_log_lines_dropped_total',
    help: 'Lines of the log that were dropped.',
    registers: [registry],
  });
  log.onDrop?.((lines) => dropped.inc(lines));
}
