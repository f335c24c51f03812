/** Finds in a canonical path whatever may make its loose form another one. */
const mayDiffer = /[A-Z;%]|\.(?:\/|$)/;

/**
 * Whether a canonical path is its own loose form, up to a slash at its end. `false` may be wrong,
 * `true` never is.
 */
export function isPlainForm(path: string): boolean {
  return !mayDiffer.test(path);
}

/**
 * What a lenient server may take a decoded path for: every segment is cut at `;`, case-folded,
 * and loses dots at its end and white space at both ends. Segments that are empty then are left
 * out. Only the first `depth` segments are read.
 */
export function looseForm(path: string, depth = Infinity): string {
  let loose = '';
  let count = 0;
  for (let start = 1; start <= path.length && count < depth;) {
    const slash = path.indexOf('/', start);
    const end = slash < 0 ? path.length : slash;
    const segment = looseSegment(path.slice(start, end));
    start = end + 1;
    if (segment === '') continue;
    loose += `/${segment}`;
    count += 1;
  }
  return loose || '/';
}

function looseSegment(segment: string): string {
  const semicolon = segment.indexOf(';');
  const name = semicolon < 0 ? segment : segment.slice(0, semicolon);
  let end = name.length;
  while (end > 0 && isTrimmed(name[end - 1] ?? '')) end -= 1;
  return folded(name.slice(0, end).trimStart());
}

/** Windows drops dots at the end of a name; servers differ in what they take for white space. */
function isTrimmed(character: string): boolean {
  return character === '.' || character.trim() === '';
}

const isAscii = /^[\0-\x7f]*$/;

/**
 * Full case folding of Unicode: `ſ` is `s`, `ß` is `ss`, `ﬁ` is `fi`, the Kelvin sign is `k`. The
 * dotted and the dotless i of Turkish are `i` besides, as they are to Java's `equalsIgnoreCase`.
 */
function folded(text: string): string {
  const lower = text.toLowerCase();
  if (isAscii.test(lower)) return lower;
  // The capital ß has no capital form of two letters, only the small one has.
  return lower.toUpperCase().toLowerCase().replaceAll('\u0307', '');
}
