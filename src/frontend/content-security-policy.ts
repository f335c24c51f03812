/**
 * What a page may load when `frontend.contentSecurityPolicy` says nothing: its own origin and
 * inline images, no more.
 */
const strictPolicy = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * The frontend's `Content-Security-Policy`. Absent: none is sent, because the operator said `off`.
 */
export function frontendPolicy(configured: string | undefined): string | undefined {
  return configured === 'off' ? undefined : (configured ?? strictPolicy);
}
