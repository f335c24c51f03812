import { randomFillSync } from 'node:crypto';

/** Matches a valid `traceparent`: version 00, trace id, parent id, flags. */
const span = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

/**
 * Returns a `traceparent` value that continues the trace of `parent`, or starts a new trace if it
 * is missing or invalid (W3C Trace Context §3.2).
 */
export function nextSpan(parent: string | string[] | undefined): string {
  const ids = randomHex(24);
  const fresh = `00-${ids.slice(0, 32)}-${ids.slice(32)}-01`;
  if (parent === undefined) return fresh;
  const known = span.exec(String(parent));
  return known ? `00-${known[1]}-${ids.slice(32)}-${known[2]}` : fresh;
}

/**
 * Whether `nextSpan` continues the trace of this parent. Otherwise the `tracestate` that came with
 * it does not belong to our trace (§3.3).
 */
export function isContinued(parent: string | string[] | undefined): boolean {
  return parent !== undefined && span.test(String(parent));
}

/** Random bytes are generated in bulk, because each call is expensive. */
const supply = Buffer.alloc(4_096);
let used = supply.length;

function randomHex(bytes: number): string {
  if (used + bytes > supply.length) {
    randomFillSync(supply);
    used = 0;
  }
  used += bytes;
  return supply.toString('hex', used - bytes, used);
}
