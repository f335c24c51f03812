/** Matches canonical paths whose loose form may differ. */
const mayDiffer = /[A-Z;%]|\.(?:\/|$)/;

/**
 * Whether a canonical path is known to equal its loose form, apart from a trailing slash. If the
 * result is `false`, compare the path with `looseForm`.
 */
export function isPlainForm(path: string): boolean {
  return !mayDiffer.test(path);
}

/**
 * Returns a decoded path in the form in which a lenient server may read it. Each segment is cut at
 * `;`, case-folded, and stripped of trailing dots and surrounding white space. Empty segments are
 * removed. Only the first `depth` segments are returned, by default all.
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

/** Windows ignores trailing dots in names; servers disagree about what white space is. */
function isTrimmed(character: string): boolean {
  return character === '.' || character.trim() === '';
}

const isAscii = /^[\0-\x7f]*$/;

/**
 * Full Unicode case folding: `ſ` is `s`, `ß` is `ss`, `ﬁ` is `fi`, the Kelvin sign is `k`. Turkish
 * dotted and dotless i become `i` too, as in Java's `equalsIgnoreCase`.
 */
function folded(text: string): string {
  const lower = text.toLowerCase();
  if (isAscii.test(lower)) return lower;
  // Lower case comes first, because only the small ß has an upper case form of two letters.
  return lower.toUpperCase().toLowerCase().replaceAll('\u0307', '');
}
