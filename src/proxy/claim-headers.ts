import { claimReference } from '../config/header-options.ts';
import type { Claims } from '../oauth/claims.ts';
import type { HeaderList } from './headers.ts';

/** The headers of `headers.set`. Those whose claim is missing are left out: an empty one would be a claim, too. */
export function headersFrom(
  set: Readonly<Record<string, string>>,
  claims: Claims | undefined,
): HeaderList {
  const headers: HeaderList = [];
  for (const [name, template] of Object.entries(set)) {
    const value = template.includes('${') ? filled(template, claims) : template;
    if (value) headers.push(name, value);
  }
  return headers;
}

function filled(template: string, claims: Claims = {}): string | undefined {
  let isComplete = true;
  const value = template.replaceAll(claimReference, (_reference, name: string) => {
    const claim = printed(claimNamed(claims, name));
    isComplete &&= Boolean(claim);
    return claim ?? '';
  });
  return isComplete ? value : undefined;
}

/** A claim of exactly that name, as `https://example.com/roles`, or one inside another. */
function claimNamed(claims: object, name: string): unknown {
  if (Object.hasOwn(claims, name)) return (claims as Record<string, unknown>)[name];
  const dot = name.indexOf('.');
  const outer = dot < 0 ? undefined : claimNamed(claims, name.slice(0, dot));
  return typeof outer === 'object' && outer ? claimNamed(outer, name.slice(dot + 1)) : undefined;
}

function printed(claim: unknown): string | undefined {
  if (Array.isArray(claim)) {
    // A comma inside an entry must not make two of it.
    return claim.map((entry) => printed(entry)?.replaceAll(',', '%2C') ?? '').join(',');
  }
  if (typeof claim === 'object') return claim ? encoded(JSON.stringify(claim)) : undefined;
  return claim === undefined ? undefined : encoded(String(claim));
}

/**
 * Printable ASCII as it is and the rest percent-encoded: no claim can begin another header, and no two of them look the same
 * to an upstream, not with blanks around them either, which servers take away (RFC 9110 §5.5).
 */
function encoded(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\x20-\x24\x26-\x7e]+|^ +| +$/g, (unsafe) =>
      Array.from(Buffer.from(unsafe), (byte) => `%${hex(byte)}`).join(''),
    );
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}
