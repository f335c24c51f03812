import { styleText } from 'node:util';

/** What the demo reads of one JSON log line of the BFF. */
export interface LogLine {
  readonly time?: string;
  readonly level: string;
  readonly msg: string;
  readonly req?: { readonly method?: string; readonly path?: string };
  readonly res?: { readonly status?: number };
  readonly responseTime?: number;
  readonly err?: { readonly message?: string; readonly cause?: { readonly message?: string } };
}

const pinoLevels: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/** A log line, or nothing for text that is none. */
export function parseLogLine(text: string): LogLine | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null || !('level' in parsed)) return undefined;
    const { level } = parsed;
    return { msg: '', ...parsed, level: pinoLevels[Number(level)] ?? String(level) };
  } catch {
    return undefined; // Not JSON, so no log line: printed as it is.
  }
}

/** A log line as one short line for people. */
export function showLogLine({ time, level, msg, req, res, responseTime, err }: LogLine): string {
  const request = req?.path && `${req.method} ${req.path}`;
  const outcome = res?.status && `${res.status} in ${responseTime} ms`;
  const reason = [err?.message, err?.cause?.message].filter(Boolean).join(': ');
  const parts = [outcome ? undefined : msg, request, outcome, reason].filter(Boolean);
  return `${styleText('dim', clockTime(time))} ${styleText(colour(level), level.padEnd(5))} ${parts.join('  ')}`;
}

function clockTime(time: string | undefined): string {
  return (time ?? new Date().toISOString()).slice(11, 23);
}

function colour(level: string) {
  if (level === 'error' || level === 'fatal') return 'red';
  return level === 'warn' ? 'yellow' : 'green';
}
