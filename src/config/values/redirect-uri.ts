import { refuse } from './scalar.ts';

/** Hosts of the user's own computer, where no client has a certificate. */
const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Reads the redirect URI of a client (RFC 6749 §3.1.2, RFC 8252 §7), unchanged. */
export function readRedirectUri(value: string): string {
  const mistake = redirectUriMistake(value);
  return mistake === undefined ? value : refuse(mistake);
}

/**
 * Returns why a value is no redirect URI that clients may have: https, a private scheme with a dot,
 * or http on a loopback address. `undefined` if it is one.
 */
export function redirectUriMistake(value: string): string | undefined {
  const url = /^[a-z][a-z0-9+.-]*:[^\s\\]+$/i.test(value) ? URL.parse(value) : null;
  if (!url) return 'must be a complete address, like https://app.acme.com/cb';
  if (value.includes('#')) return 'must have no fragment (RFC 6749 §3.1.2)';
  if (value.includes('*')) return 'must be one exact address without a wildcard';
  if (url.username || url.password) return 'must not contain a user name or password';
  switch (url.protocol) {
    case 'https:':
      return loopbackHosts.has(url.hostname)
        ? 'must not be https on a loopback host; use http://127.0.0.1/callback (RFC 8252 §7.3)'
        : undefined;
    case 'http:':
      return isLoopbackRedirect(url)
        ? undefined
        : 'must be https; http works only at 127.0.0.1, [::1] or localhost, for any port (RFC 8252)';
    default:
      // "apps MUST use a URI scheme based on a domain name under their control" (RFC 8252 §7.1).
      return url.protocol.includes('.')
        ? undefined
        : 'has a private scheme without a dot; use com.acme.app:/callback (RFC 8252 §7.1)';
  }
}

/** Whether a redirect URI leads to the user's own computer (RFC 8252 §7.3). */
export function isLoopbackRedirect({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && loopbackHosts.has(hostname);
}
