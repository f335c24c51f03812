import type { SessionOptions } from '../../config/options.ts';

/** The names of the session cookie and the login cookie. */
export interface CookieNames {
  readonly session: string;
  readonly login: string;
}

/**
 * Returns both cookie names for a public URL. With https they have a prefix that proves that an
 * HTTPS server set them (RFC 10017 §6.1.3.2).
 */
export function cookieNames(publicUrl: string, cookieName: string): CookieNames {
  const prefix = isSecure(publicUrl) ? '__Host-Http-' : '';
  return { session: prefix + cookieName, login: `${prefix}${cookieName}-login` };
}

/** Returns the name of the cookie that counts how often a navigation arrived without a session. */
export function arrivalCookieName(publicUrl: string, cookieName: string): string {
  return `${cookieNames(publicUrl, cookieName).session}-arrival`;
}

/**
 * Returns the attributes that both cookies share. `secure` follows from `publicUrl`, which browsers
 * use, and not from our own socket.
 */
export function cookieAttributes(publicUrl: string) {
  return { httpOnly: true, secure: isSecure(publicUrl), path: '/' } as const;
}

/**
 * Returns the attributes of the session cookie. Without `persistent` it has no `Max-Age` and ends
 * with the browser session.
 */
export function sessionCookieAttributes(publicUrl: string, session: SessionOptions) {
  return {
    ...cookieAttributes(publicUrl),
    sameSite: session.sameSite,
    ...(session.persistent && { maxAge: session.absolute }),
  } as const;
}

/**
 * The values of the cookies with exactly this name, in header order. Names are compared octet by
 * octet, without surrounding SP and HTAB (RFC 6265 §4.2.1). A name with any other octet around it
 * is another cookie: a sibling host may set it, because the `__Host-` rules do not apply to that
 * name.
 */
export function cookieValues(header: string, name: string): string[] {
  const values: string[] = [];
  for (let start = 0; start < header.length;) {
    const semicolon = header.indexOf(';', start);
    const end = semicolon < 0 ? header.length : semicolon;
    const equals = header.indexOf('=', start);
    if (equals >= 0 && equals < end && trimmed(header, start, equals) === name) {
      values.push(trimmed(header, equals + 1, end));
    }
    start = end + 1;
  }
  return values;
}

/** Filters a `Cookie` header. Returns `undefined` if no cookie is left. */
export type CookieFilter = (header: string | undefined) => string | undefined;

/**
 * Creates a filter that removes the cookies with these names, in every spelling that a server could
 * read as one of them. Other cookies keep their octets, so that filtering cannot turn a planted
 * cookie into one of the upstream's.
 */
export function cookieFilter(names: readonly string[]): CookieFilter {
  const removed = new Set([...names, ...names.map((name) => name.toLowerCase())]);
  const shortest = Math.min(...names.map(({ length }) => length));
  // Most names are canonical, and testing for that is faster than listing other spellings.
  const isRemoved = (name: string) =>
    removed.has(name) ||
    (name.length >= shortest &&
      !isCanonical.test(name) &&
      spellingsOf(name).some((spelling) => removed.has(spelling)));
  return (header = '') => {
    let kept: string | undefined;
    for (const part of header.split(';')) {
      const text = trimmed(part);
      if (text === '' || isRemoved(nameIn(text))) continue;
      kept = kept === undefined ? text : `${kept}; ${text}`;
    }
    return kept;
  };
}

/**
 * The name of one cookie in a header. Text without `=`, or after a leading `=`, counts as a name:
 * browsers send a nameless cookie with the value `bff=…` that way, and some servers read it as
 * `bff`.
 */
function nameIn(text: string): string {
  let start = 0;
  while (start < text.length && isSkipped(text.charAt(start))) start += 1;
  const equals = text.indexOf('=', start);
  return trimmed(text, start, equals < 0 ? text.length : equals);
}

/** Whether a server may skip the character in front of a name: `=`, and any white space. */
function isSkipped(character: string): boolean {
  return character === '=' || character.trim() === '';
}

/**
 * Removes SP and HTAB from both ends. `String.prototype.trim` would also remove U+00A0 and others.
 */
function trimmed(text: string, start = 0, end = text.length): string {
  let first = start;
  let last = end;
  while (first < last && isWhiteSpace(text.charCodeAt(first))) first += 1;
  while (first < last && isWhiteSpace(text.charCodeAt(last - 1))) last -= 1;
  return text.slice(first, last);
}

/** SP or HTAB (RFC 9110 §5.6.3). */
function isWhiteSpace(octet: number): boolean {
  return octet === 0x20 || octet === 0x09;
}

/** Matches lower-case names that all servers read the same way. */
const isCanonical = /^[!#$&'*+\-.^_`|~0-9a-z]*$/;

/**
 * The names that servers may read in the name of a cookie. They differ in case, in the octets they
 * drop, in whether an unusual octet ends the name (PHP reads `bff[0]` as `bff`), and in decoding.
 * Our cookie must not reach an upstream under any of them.
 */
function spellingsOf(name: string): string[] {
  const decoded = name.includes('%') ? percentDecoded(name) : name;
  const both = decoded === name ? [name] : [name, decoded];
  return both.flatMap((text) => {
    const odd = text.search(oddOctet);
    if (odd < 0) return [text.toLowerCase()];
    return [text.slice(0, odd), text.replaceAll(oddOctets, '')].map((part) => part.toLowerCase());
  });
}

/** An octet that a token cannot contain: not a `tchar` (RFC 9110 §5.6.2). */
const oddOctet = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;
const oddOctets = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/g;

function percentDecoded(text: string): string {
  return text.replace(/%[0-9a-f]{2}/gi, (escape) =>
    String.fromCharCode(Number.parseInt(escape.slice(1), 16)),
  );
}

function isSecure(publicUrl: string): boolean {
  return publicUrl.startsWith('https:');
}
