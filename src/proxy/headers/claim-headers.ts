import { claimReference } from '../../config/blocks/route-headers.ts';
import type { Claims } from '../../oauth/login/claims.ts';
import type { HeaderList } from './request-headers.ts';

/** The maximum size of a value made of claims, in octets. Many servers refuse longer headers. */
const maxValueLength = 8 * 1024;

/** The maximum depth of nested lists. A claim that is nested deeper counts as too long. */
const maxListDepth = 32;

/** Marks a value that exceeds a limit. */
const tooLong = Symbol('too long');

/** A claim as a header value. `undefined` if the claim is missing or empty. */
type Formatted = string | typeof tooLong | undefined;

/**
 * Returns the headers of `headers.set`, with claims filled in. Omits a header whose claim is
 * missing: an upstream could give an empty value a meaning. Also omits a value of more than 8 KB,
 * and passes the name of its header to `onTooLong`.
 */
export function headersFrom(
  set: Readonly<Record<string, string>>,
  claims: Claims | undefined,
  onTooLong?: (name: string) => void,
): HeaderList {
  const headers: HeaderList = [];
  for (const [name, template] of Object.entries(set)) {
    const value = template.includes('${') ? fillTemplate(template, claims) : template;
    if (value === tooLong) onTooLong?.(name);
    else if (value) headers.push(name, value);
  }
  return headers;
}

function fillTemplate(template: string, claims: Claims = {}): Formatted {
  let isComplete = true;
  let isTooLong = false;
  const value = template.replaceAll(claimReference, (_reference, name: string) => {
    const claim = formatClaim(claimNamed(claims, name));
    isTooLong ||= claim === tooLong;
    isComplete &&= Boolean(claim);
    return typeof claim === 'string' ? claim : '';
  });
  if (!isComplete) return undefined;
  return isTooLong || value.length > maxValueLength ? tooLong : value;
}

/** Finds a claim of exactly this name (`https://example.com/roles`), or a nested one (`a.b`). */
function claimNamed(claims: object, name: string): unknown {
  if (Object.hasOwn(claims, name)) return (claims as Record<string, unknown>)[name];
  const dot = name.indexOf('.');
  const outer = dot < 0 ? undefined : claimNamed(claims, name.slice(0, dot));
  return typeof outer === 'object' && outer ? claimNamed(outer, name.slice(dot + 1)) : undefined;
}

function formatClaim(claim: unknown): Formatted {
  if (Array.isArray(claim)) return formatList(claim, ',', 1);
  if (typeof claim === 'object') return claim ? encode(JSON.stringify(claim)) : undefined;
  return claim === undefined ? undefined : encode(String(claim));
}

/**
 * Joins the entries of a list. A comma within an entry is percent-encoded, and so is the separator
 * of a nested list, so that one entry is never read as two.
 */
function formatList(entries: readonly unknown[], separator: string, depth: number): Formatted {
  if (depth > maxListDepth) return tooLong;
  let text = '';
  for (const [index, entry] of entries.entries()) {
    const isList = Array.isArray(entry);
    const value = isList ? formatList(entry, '%2C', depth + 1) : formatClaim(entry);
    if (value === tooLong) return tooLong;
    if (index > 0) text += separator;
    text += value?.replaceAll(',', '%2C') ?? '';
    if (text.length > maxValueLength) return tooLong;
  }
  return text;
}

/**
 * Percent-encodes everything but printable ASCII, so that no claim can start another header. Also
 * encodes surrounding blanks, which servers remove (RFC 9110 §5.5), so that two different claims
 * never look the same to an upstream.
 */
function encode(text: string): string | typeof tooLong {
  // Percent-encoding never shortens a text.
  if (text.length > maxValueLength) return tooLong;
  const [start, end] = withoutBlanks(text);
  const value =
    '%20'.repeat(start) +
    text
      .slice(start, end)
      .toWellFormed()
      .replace(/[^\x20-\x24\x26-\x7e]+/g, percentEncoded) +
    '%20'.repeat(text.length - end);
  return value.length > maxValueLength ? tooLong : value;
}

/**
 * Returns the bounds of a text without surrounding blanks, in linear time. A regular expression
 * would take quadratic time.
 */
function withoutBlanks(text: string): [start: number, end: number] {
  let end = text.length;
  while (text[end - 1] === ' ') end -= 1;
  let start = 0;
  while (start < end && text[start] === ' ') start += 1;
  return [start, end];
}

function percentEncoded(unsafe: string): string {
  return Array.from(Buffer.from(unsafe), (byte) => `%${hex(byte)}`).join('');
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}
