import { type FramingPayload, framingPayloads } from './framing-payloads.ts';
import { rawRequest } from './raw-request.ts';
import type { StrictUpstream } from '../upstream/strict-upstream.ts';

/** The outcome of one payload. */
export interface FramingOutcome {
  readonly name: string;
  readonly statuses: readonly number[];
  /** Requests for its own path that reached the upstream whole. */
  readonly arrived: number;
  /** Requests for the path that the payload tried to hide. */
  readonly hidden: number;
}

/**
 * Sends every payload on its own connection, some at a time, and returns what the upstream received
 * of each.
 */
export async function tryFramings(
  port: number,
  upstream: StrictUpstream,
  prefix: string,
): Promise<FramingOutcome[]> {
  const outcomes: FramingOutcome[] = [];
  const queue = [...framingPayloads.entries()];
  const work = async () => {
    for (let next = queue.pop(); next; next = queue.pop())
      outcomes.push(await tryOne(port, upstream, `${prefix}/${next[0]}`, next[1]));
  };
  await Promise.all(Array.from({ length: 24 }, work));
  return outcomes;
}

async function tryOne(
  port: number,
  upstream: StrictUpstream,
  path: string,
  { name, bytes }: FramingPayload,
): Promise<FramingOutcome> {
  const hidden = `${path}-hidden`;
  const { statuses } = await rawRequest(port, bytes(path, hidden), { deadline: 1000 });
  const countOf = (target: string) =>
    upstream.requests.filter((one) => one.target === target).length;
  const finalStatuses = statuses.filter((status) => status >= 200);
  return { name, statuses: finalStatuses, arrived: countOf(path), hidden: countOf(hidden) };
}

/**
 * Describes what is wrong with an outcome: more than one request, another request, or a response
 * without a request. Undefined when the outcome is right.
 */
export function describeViolation({
  statuses,
  arrived,
  hidden,
}: FramingOutcome): string | undefined {
  const accepted = statuses.filter((status) => status < 400).length;
  if (hidden > 0) return 'the hidden request reached the upstream';
  if (arrived > 1) return `it reached the upstream ${arrived} times`;
  if (accepted > arrived) return `${accepted} answers for ${arrived} requests`;
  return undefined;
}
