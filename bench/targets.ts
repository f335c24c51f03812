import type { Results } from './results.ts';
import { shown, table } from './table.ts';

/** A figure that the BFF should reach. */
interface Target {
  readonly what: string;
  readonly limit: number;
  readonly better: 'less' | 'more';
  /** `undefined` if it was not measured, or if there is no proxy to compare with. */
  readonly value: (results: Results) => number | undefined;
  readonly unit?: string;
}

const megabyte = 1e6;

const targets: readonly Target[] = [
  {
    what: 'CPU of a 1 KB call, times bare',
    limit: 1.2,
    better: 'less',
    value: (results) => results.ratio('calls', 'cpu', 'pixie', 'bare'),
  },
  {
    what: 'requests/s, times express-session + http-proxy-middleware',
    limit: 3,
    better: 'more',
    value: (results) => results.ratio('calls', 'requestsPerSecond', 'pixie', 'express'),
  },
  {
    what: 'requests/s, times mod_auth_openidc',
    limit: 3,
    better: 'more',
    value: (results) => results.ratio('calls', 'requestsPerSecond', 'pixie', 'apache'),
  },
  {
    what: 'Redis commands a call, one session',
    limit: 0.02,
    better: 'less',
    value: (results) => results.sample('calls', 'pixie')?.redisCommands,
  },
  {
    what: 'Redis commands a call, many sessions in turn',
    limit: 1,
    better: 'less',
    value: (results) => results.sample('sessions-cycled', 'pixie')?.redisCommands,
  },
  {
    what: 'p99 at 64 connections, times bare',
    limit: 1.3,
    better: 'less',
    value: (results) => results.ratio('calls', 'p99', 'pixie', 'bare'),
  },
  {
    what: '10 MB downloads, throughput, times bare',
    limit: 0.9,
    better: 'more',
    value: (results) => results.ratio('body-10m', 'megabytesPerSecond', 'pixie', 'bare'),
  },
  ...['down', 'up', 'slow'].map((way): Target => ({
    what: `memory grows during one large body, ${way === 'slow' ? 'slow reader' : way}`,
    limit: 60,
    better: 'less',
    unit: ' MB',
    value: (results) => scaled(results.figure(`large ${way} growth pixie`), megabyte),
  })),
  {
    what: 'CPU of a call with many sessions in Redis, times with one',
    limit: 1.1,
    better: 'less',
    value: growthWithSessions,
  },
  {
    what: 'start to `listening`',
    limit: 700,
    better: 'less',
    unit: ' ms',
    value: (results) => results.figure('start pixie'),
  },
  {
    what: 'start, times an empty Nest application',
    limit: 2,
    better: 'less',
    value: (results) => quotient(results.figure('start pixie'), results.figure('start nest')),
  },
  {
    what: 'memory of an idle WebSocket',
    limit: 25,
    better: 'less',
    unit: ' KB',
    value: (results) => scaled(results.figure('websocket memory pixie'), 1000),
  },
];

/** Each target with what was measured, and whether it is reached. */
export function judge(results: Results): string {
  const rows = targets.map(({ what, limit, better, unit = '', value }) => {
    const measured = value(results);
    const sign = better === 'less' ? '≤' : '≥';
    const digits = limit < 1 ? 3 : limit < 10 ? 2 : 0;
    const target = `${sign} ${limit}${unit}`;
    return [what, target, shown(measured, digits) + unit, verdict(measured, limit, better)];
  });
  return table(['target', 'wanted', 'measured', 'verdict'], rows);
}

function verdict(measured: number | undefined, limit: number, better: 'less' | 'more'): string {
  if (measured === undefined || Number.isNaN(measured)) return 'not measured';
  const isReached = better === 'less' ? measured <= limit : measured >= limit;
  return isReached ? 'reached' : 'NOT reached';
}

/**
 * The two rows are measured at different times; how the bare proxy fared in each tells what the
 * machine did meanwhile.
 */
function growthWithSessions(results: Results): number | undefined {
  const withMany = results.ratio('sessions-stored', 'cpu', 'pixie', 'bare');
  const withOne = results.ratio('calls', 'cpu', 'pixie', 'bare');
  return quotient(withMany, withOne);
}

function quotient(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one / other;
}

function scaled(value: number | undefined, unit: number): number | undefined {
  return value === undefined ? undefined : value / unit;
}
