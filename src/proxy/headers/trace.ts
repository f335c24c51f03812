import { randomFillSync } from 'node:crypto';

const span = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

/** Continues a trusted trace, or begins one (W3C Trace Context §3.2); an id of zeros is none. */
export function nextSpan(parent: string | string[] | undefined): string {
  const ids = randomHex(24);
  const ours = `00-${ids.slice(0, 32)}-${ids.slice(32)}-01`;
  if (parent === undefined) return ours;
  const known = span.exec(String(parent));
  return known ? `00-${known[1]}-${ids.slice(32)}-${known[2]}` : ours;
}

/**
 * Whether a trace with this parent is continued. What vendors say of any other, in `tracestate`, is
 * of no trace of ours (§3.3).
 */
export function isContinued(parent: string | string[] | undefined): boolean {
  return parent !== undefined && span.test(String(parent));
}

/** Fetching random bytes costs more than having them: they are bought in bulk. */
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
