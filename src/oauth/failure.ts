import { BffError } from '../errors.ts';

/**
 * Translates what `openid-client` throws. What did not answer is `provider_unavailable`; what answered wrongly, with a
 * refusal or with a token that does not hold, is `login_failed`.
 */
export function toBffError(error: unknown): BffError {
  return unavailability(error) ?? new BffError('login_failed', { cause: error });
}

/** Whether a token was signed with a key that the provider's published keys do not contain. */
export function isUnknownKey(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'OAUTH_KEY_SELECTION_FAILED';
}

/** openid-client wraps what a custom fetch throws, so our own error may stand anywhere in the chain of causes. */
function unavailability(error: unknown): BffError | undefined {
  for (let link = error; link instanceof Error; link = link.cause) {
    if (link instanceof BffError) return link;
    if ('code' in link && link.code === 'OAUTH_TIMEOUT') {
      return new BffError('provider_unavailable', { cause: error });
    }
  }
  return undefined;
}
