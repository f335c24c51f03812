import { isBelow } from '../../http/path-prefix.ts';
import { BffError } from '../../errors.ts';

/** The maximum length of a return URL, in octets of UTF-8. */
const maxReturnUrl = 2048;

/**
 * How often a return URL is percent-decoded for validation. A URL that is still encoded is refused.
 */
const maxDecodings = 8;

/** The rules for return URLs. */
export interface ReturnUrlRules {
  /** The public origin of this BFF. */
  readonly publicUrl: string;
  readonly basePath: string;
  /** Used if the return URL is missing or empty. */
  readonly defaultReturnUrl: string;
  /** Further origins that a return URL may have. */
  readonly allowedReturnOrigins: readonly string[];
}

/**
 * Validates a return URL and returns it in the form of a `Location` header. A path that could be
 * read as another host is refused, and so are our own sign-in endpoints, which would cause a
 * redirect loop. The value has at most 2,048 octets; its percent-encoded form may be longer. Throws
 * `invalid_return_url`.
 */
export function safeReturnUrl(value: string | undefined, rules: ReturnUrlRules): string {
  if (!value) return rules.defaultReturnUrl;
  if (Buffer.byteLength(value) > maxReturnUrl) throw new BffError('invalid_return_url');
  if (hasAllowedOrigin(value, rules)) return new URL(value).href;
  if (!isLocalPath(value)) throw new BffError('invalid_return_url');
  const url = new URL(value, rules.publicUrl);
  const path = url.pathname + url.search + url.hash;
  // Check the path again: removing dot segments can leave another host, as in `/.//evil.example`
  // and `/./%2Fevil.example`.
  const isOurs = url.origin === rules.publicUrl && isLocalPath(path);
  if (!isOurs || isSignInEndpoint(url.pathname, rules.basePath)) {
    throw new BffError('invalid_return_url');
  }
  return path;
}

/**
 * Validates a return URL and returns it as it was sent, or the default if it is missing or empty.
 * Store this form: unlike the percent-encoded one, it never exceeds 2,048 octets. Throws
 * `invalid_return_url`.
 */
export function validatedReturnUrl(value: string | undefined, rules: ReturnUrlRules): string {
  return value && safeReturnUrl(value, rules) ? value : rules.defaultReturnUrl;
}

/** Returns the `Location` for a stored return URL, or the default if it is no longer allowed. */
export function storedReturnUrl(value: string, rules: ReturnUrlRules): string {
  try {
    return safeReturnUrl(value, rules);
  } catch {
    return rules.defaultReturnUrl; // the configuration has changed since
  }
}

/**
 * Returns an address of ours as the return URL of a sign-in, or the default if a sign-in would not
 * accept it, for example because it has more than 2,048 octets.
 */
export function returnUrlFor(address: string, rules: ReturnUrlRules): string {
  return isAccepted(address, rules) ? address : rules.defaultReturnUrl;
}

function isAccepted(address: string, rules: ReturnUrlRules): boolean {
  try {
    safeReturnUrl(address, rules);
    return true;
  } catch {
    return false; // the default is the answer
  }
}

/**
 * Whether the value starts with exactly one slash, however often it is decoded, and has no
 * character that browsers drop or turn into a slash.
 */
function isLocalPath(value: string): boolean {
  let text = value;
  for (let decodings = 0; decodings <= maxDecodings; decodings += 1) {
    if (!/^\/(?![/\\])/.test(text) || /[\\\p{Cc}]/u.test(text)) return false;
    const decoded = decodeOnce(text);
    // The value itself must be decodable. Later, a literal `%` may be left that was sent as `%25`.
    if (decoded === undefined) return text !== value;
    if (decoded === text) return true;
    text = decoded;
  }
  return false;
}

function hasAllowedOrigin(value: string, rules: ReturnUrlRules): boolean {
  return (
    !/[\\\p{Cc}\s]/u.test(value) &&
    rules.allowedReturnOrigins.some((origin) => value === origin || value.startsWith(`${origin}/`))
  );
}

function isSignInEndpoint(pathname: string, basePath: string): boolean {
  return ['login', 'callback', 'logout', 'connect'].some((endpoint) =>
    isBelow(pathname, `${basePath}/${endpoint}`),
  );
}

function decodeOnce(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // the caller decides how to treat text that cannot be decoded
  }
}
