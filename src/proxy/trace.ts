import { randomFillSync } from 'node:crypto';

/** Continues a trusted trace, or begins one (W3C Trace Context §3.2); an id of zeros is none. */
export function nextSpan(parent: string | string[] | undefined): string {
  const [, traceId = randomHex(16), flags = '01'] =
    parent === undefined
      ? []
      : (/^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/.exec(String(parent)) ??
        []);
  return `00-${traceId}-${randomHex(8)}-${flags}`;
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
