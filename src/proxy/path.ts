import { BffError } from '../errors.ts';

/** A request target that all servers read the same way. */
export interface RequestTarget {
  /** Begins with `/`; unreserved characters are never percent-encoded in it (RFC 3986 §6.2.2.2). */
  readonly path: string;
  /** The query with its `?`, exactly as sent; empty if there was none. */
  readonly query: string;
}

/** A path that is encoded this many times or more is refused: no client does that by mistake. */
const maxDecodings = 8;

/**
 * Matches paths that every server reads the same way. Nearly all paths match, and this test is
 * cheaper than the full check.
 */
const plainPath = /^(?:\/[\w-][\w.~-]*)+\/?$/;

/**
 * Returns the canonical request target, which is used for matching and for forwarding. Throws
 * `bad_path` for a path that an upstream could resolve differently: dot segments, encoded
 * separators, empty segments, control characters, invalid UTF-8, and any of these under repeated
 * encoding.
 */
export function canonicalTarget(requestTarget: string): RequestTarget {
  const questionMark = requestTarget.indexOf('?');
  const raw = questionMark < 0 ? requestTarget : requestTarget.slice(0, questionMark);
  const query = questionMark < 0 ? '' : requestTarget.slice(questionMark);
  if (plainPath.test(raw) && query === '') return { path: raw, query };
  // Absolute form, authority form and `*` do not start with `/`. A request target never contains
  // `#` (RFC 9112 §3.2).
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
    // Invalid encoding is an error, unless only a literal percent sign is left that was sent as
    // `%25`.
    if (decoded === undefined) return decodings > 0 && !/%[0-9a-f]{2}/i.test(text);
    if (decoded === text) return true;
    text = decoded;
  }
  return false;
}

/**
 * Whether no segment is empty or a dot segment. Some servers cut off path parameters at `;`, so
 * `..;x` counts as a dot segment.
 */
function hasPlainSegments(path: string): boolean {
  return !/[\\\p{Cc}]|\/\/|\/\s*\.{1,2}\s*(;|\/|$)/u.test(path);
}

/** Decodes a path once. Returns `undefined` if its percent-encoding or UTF-8 is invalid. */
export function decodedPath(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // the caller decides what this means
  }
}
