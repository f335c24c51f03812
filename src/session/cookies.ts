import { sign, unsign } from 'cookie-signature';
import type { SessionOptions } from '../config/options.ts';

/** The names of our two cookies. */
export interface CookieNames {
  readonly session: string;
  readonly login: string;
}

/** Both names for a public URL; with https they prove that an HTTPS server set them (RFC 10017 §6.1.3.2). */
export function cookieNames(publicUrl: string, cookieName: string): CookieNames {
  const prefix = isSecure(publicUrl) ? '__Host-Http-' : '';
  return { session: prefix + cookieName, login: `${prefix}${cookieName}-login` };
}

/** What both cookies share. `secure` follows from `publicUrl`, the way browsers reach us, not from our own socket. */
export function cookieAttributes(publicUrl: string) {
  return { httpOnly: true, secure: isSecure(publicUrl), path: '/' } as const;
}

/** Attributes of the session cookie. Without `persistent` it has no `Max-Age` and ends with the browser. */
export function sessionCookieAttributes(publicUrl: string, session: SessionOptions) {
  return {
    ...cookieAttributes(publicUrl),
    sameSite: session.sameSite,
    ...(session.persistent && { maxAge: session.absolute }),
  } as const;
}

/** The values of every cookie of that name, in the order sent. */
export function cookieValues(header: string | undefined, name: string): string[] {
  const parts = (header ?? '').split(';').map((part) => part.trim());
  return parts
    .filter((part) => part !== '' && nameIn(part) === name)
    .map((part) => (part.includes('=') ? part.slice(part.indexOf('=') + 1).trim() : ''));
}

/**
 * The value of the one cookie of that name. Absent: there is none, or there are two, of which one may be planted by another
 * host (cookie tossing).
 */
export function soleCookieValue(header: string, name: string): string | undefined {
  let value: string | undefined;
  for (let start = 0; start < header.length;) {
    const semicolon = header.indexOf(';', start);
    const end = semicolon < 0 ? header.length : semicolon;
    const equals = header.indexOf('=', start);
    if (equals >= 0 && equals < end && header.slice(start, equals).trim() === name) {
      if (value !== undefined) return undefined;
      value = header.slice(equals + 1, end).trim();
    }
    start = end + 1;
  }
  return value;
}

/**
 * The signed value of a cookie of ours, in express-session's `s:value.signature` form. Absent: no such cookie, a signature
 * that does not hold, or two cookies of the name.
 */
export function readSignedCookie(
  header: string | undefined,
  name: string,
  secrets: readonly string[],
): string | undefined {
  const value = header && soleCookieValue(header, name);
  const decoded = value && decode(value);
  if (!decoded?.startsWith('s:')) return undefined;
  for (const secret of secrets) {
    const original = unsign(decoded.slice(2), secret);
    if (original !== false) return original;
  }
  return undefined;
}

/** The form `readSignedCookie` reads, signed with the newest secret. */
export function signedCookieValue(value: string, [newest]: readonly string[]): string {
  if (newest === undefined) throw new Error('signing a cookie needs a secret');
  return `s:${sign(value, newest)}`;
}

/** What is left of a `Cookie` header. Absent: nothing. */
export type CookieFilter = (header: string | undefined) => string | undefined;

/** Takes the cookies of those names, however oddly spelt, out of `Cookie` headers. */
export function cookieFilter(names: readonly string[]): CookieFilter {
  const removed = new Set([...names, ...names.map(canonicalName)]);
  // Most names are in their one form already, and to see that takes less than to make it.
  const isRemoved = (name: string) =>
    removed.has(name) || (!isCanonical.test(name) && removed.has(canonicalName(name)));
  return (header = '') => {
    let kept: string | undefined;
    for (const part of header.split(';')) {
      const text = part.trim();
      if (text === '' || isRemoved(nameIn(text))) continue;
      kept = kept === undefined ? text : `${kept}; ${text}`;
    }
    return kept;
  };
}

/** The name of one cookie in a header; what has no `=` is all name. */
function nameIn(text: string): string {
  const equals = text.indexOf('=');
  return (equals < 0 ? text : text.slice(0, equals)).trim();
}

/** What `canonicalName` leaves as it is. */
const isCanonical = /^[!#$%&'*+\-.^_`|~0-9a-z]*$/;

/** Servers differ in what they trim from a cookie's name and in its case; an upstream must not find ours behind either. */
function canonicalName(name: string): string {
  return name.replace(/[^!#$%&'*+\-.^_`|~0-9A-Za-z]/g, '').toLowerCase();
}

function decode(value: string): string | undefined {
  try {
    return decodeURIComponent(value.replace(/^"(.*)"$/, '$1'));
  } catch {
    return undefined; // not ours: we encode what we set
  }
}

function isSecure(publicUrl: string): boolean {
  return publicUrl.startsWith('https:');
}
