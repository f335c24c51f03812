import type { Contender } from './contender.ts';
import { type Load, runLoad, usualConnections } from './load/load.ts';
import { usageOf } from './process-tree.ts';
import type { RedisMeter } from './redis-meter.ts';

/** One round of one contender. */
export interface Sample {
  readonly requestsPerSecond: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Processor time of the proxy's processes, microseconds per request. */
  readonly cpu: number;
  readonly redisCommands: number;
  /** Resident memory of the proxy's processes after the round, in bytes. */
  readonly resident: number;
  readonly megabytesPerSecond: number;
  /** The part of requests that went wrong. */
  readonly errors: number;
}

/** Puts a load on a contender for some seconds and takes every figure of it. */
export async function takeSample(
  load: Load,
  { port, headers, child }: Contender,
  {
    seconds,
    meter,
    cookiesFile,
  }: { seconds: number; meter: RedisMeter; cookiesFile?: string | undefined },
): Promise<Sample> {
  await meter.read();
  const before = usageOf(child.pid);
  const result = await runLoad(load, { port, headers, cookiesFile }, seconds);
  const after = usageOf(child.pid);
  const commands = await meter.read();
  const { requests, microseconds, bytes, p50, p99, errors } = result;
  // One of each connection was under way at the end: it had its costs, but counts for nobody.
  const begun = requests + (load.connections ?? usualConnections);
  return {
    requestsPerSecond: (requests / microseconds) * 1e6,
    p50,
    p99,
    cpu: (after.cpu - before.cpu) / begun,
    redisCommands: commands / begun,
    resident: after.resident,
    megabytesPerSecond: bytes / microseconds,
    errors: errors / Math.max(requests, 1),
  };
}

/** The middle of these values; of none it is not a number. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [upper = NaN, lower = NaN] = [sorted[middle], sorted[middle - 1]];
  return sorted.length % 2 === 1 ? upper : (lower + upper) / 2;
}

/** The median of each figure of some rounds. */
export function medianSample(samples: readonly Sample[]): Sample {
  const of = (figure: keyof Sample) => median(samples.map((sample) => sample[figure]));
  return {
    requestsPerSecond: of('requestsPerSecond'),
    p50: of('p50'),
    p99: of('p99'),
    cpu: of('cpu'),
    redisCommands: of('redisCommands'),
    resident: of('resident'),
    megabytesPerSecond: of('megabytesPerSecond'),
    errors: Math.max(...samples.map(({ errors }) => errors)),
  };
}
