import type { KoaContextWithOIDC } from 'oidc-provider';
import { errorPagePolicy, renderErrorPage } from '../http/error-page.ts';

/**
 * Shows an error of an authorization request that has no trustworthy redirect URI, so that its
 * client cannot be told. The sentences are the library's and contain no input.
 */
export function sendAuthorizationError(
  context: KoaContextWithOIDC,
  code: string,
  description = 'The request of the application could not be accepted.',
): void {
  const requestId = String((context.req as { readonly id?: unknown }).id ?? '');
  const sentence = description.charAt(0).toUpperCase() + description.slice(1);
  const link = { href: '/', label: 'Back to the application' };
  context.set('Content-Security-Policy', errorPagePolicy);
  context.type = 'html';
  context.body = renderErrorPage({ status: context.status, code, sentence, requestId, link });
}
