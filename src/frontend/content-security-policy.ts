/**
 * The default of `frontend.contentSecurityPolicy`: allows the page's own origin and inline images
 * only.
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
 * Returns the `Content-Security-Policy` of the frontend: the configured one, or a strict default.
 * Returns `undefined` for `off`.
 */
export function frontendPolicy(configured: string | undefined): string | undefined {
  return configured === 'off' ? undefined : (configured ?? strictPolicy);
}
