import { BffError } from '../errors.ts';

/** A request target that two readers cannot read differently. */
export interface RequestTarget {
  /** Begins with `/`; unreserved characters are never percent-encoded in it (RFC 3986 §6.2.2.2). */
  readonly path: string;
  /** The query with its `?`, exactly as sent; empty if there was none. */
  readonly query: string;
}

/** Enough for any path that was encoded by accident; one that goes on is made to confuse. */
const maxDecodings = 8;

/**
 * Segments that nobody reads differently, as nearly all are: to see that takes less than to judge
 * them.
 */
const plainPath = /^(?:\/[\w-][\w.~-]*)+\/?$/;

/**
 * The one form of a request target, which is matched and sent on. What an upstream might resolve to
 * another path than we did is refused, not repaired: dot segments, encoded separators, empty
 * segments, control characters, bytes that are not UTF-8, and all of these behind a second
 * encoding. Throws `bad_path`.
 */
export function canonicalTarget(requestTarget: string): RequestTarget {
  const questionMark = requestTarget.indexOf('?');
  const raw = questionMark < 0 ? requestTarget : requestTarget.slice(0, questionMark);
  const query = questionMark < 0 ? '' : requestTarget.slice(questionMark);
  if (plainPath.test(raw) && query === '') return { path: raw, query };
  // Absolute form, authority form and `*` begin otherwise; `#` never belongs into a request (RFC
  // 9112 §3.2).
  if (!/^\/[\x21\x24-\x5b\x5d-\x7e\x22]*$/.test(raw)) throw new BffError('bad_path');
  if (!/^[\x21\x22\x24-\x7e]*$/.test(query)) throw new BffError('bad_path');
  if (!isUnambiguous(raw)) throw new BffError('bad_path');
  return { path: raw.replace(/%([0-9A-Fa-f]{2})/g, decodeUnreserved), query };
}

/**
 * "URIs that differ in the replacement of an unreserved character … are equivalent" (RFC 3986
 * §2.3).
 */
function decodeUnreserved(escape: string, hex: string): string {
  const character = String.fromCharCode(Number.parseInt(hex, 16));
  return /[A-Za-z0-9\-._~]/.test(character) ? character : escape;
}

function isUnambiguous(raw: string): boolean {
  if (!raw.includes('%')) return hasPlainSegments(raw);
  let text = raw;
  for (let decodings = 0; decodings < maxDecodings; decodings++) {
    if (!hasPlainSegments(text) || /%(2f|5c)/i.test(text)) return false;
    const decoded = decodedPath(text);
    // What does not decode was sent wrongly, unless all that is left is the percent sign that `%25`
    // stands for.
    if (decoded === undefined) return decodings > 0 && !/%[0-9a-f]{2}/i.test(text);
    if (decoded === text) return true;
    text = decoded;
  }
  return false;
}

/** No segment is empty or, up to the parameters some servers cut off at `;`, a dot segment. */
function hasPlainSegments(path: string): boolean {
  return !/[\\\p{Cc}]|\/\/|\/\s*\.{1,2}\s*(;|\/|$)/u.test(path);
}

/** A path decoded once, or `undefined` if its percent-encoding or UTF-8 is invalid. */
export function decodedPath(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // the caller judges
  }
}
