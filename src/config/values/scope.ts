import { listOf, refuse, text } from './scalar.ts';

/** A scope (RFC 6749 §3.3). */
export function scopeName() {
  return text(readScope);
}

/** A list of scopes, in an environment variable separated by spaces or commas. */
export function scopeNames(item: ReturnType<typeof scopeName> = scopeName()) {
  return listOf(item, { separator: /[\s,]+/ });
}

/** Returns a valid scope. Refuses any other text. */
export function readScope(scope: string): string {
  return /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)
    ? scope
    : refuse('must be one scope: no space, no quote, no backslash (RFC 6749 §3.3)');
}
