import type { Provider } from '../provider/provider.ts';

/**
 * Returns the `prompt` that lets a user sign in with another account (OIDC Core §3.1.2.1):
 * `select_account`, or `login` if the provider announces its prompts and `select_account` is not
 * among them. Throws `provider_unavailable`.
 */
export async function accountChoicePrompt(provider: Provider): Promise<'select_account' | 'login'> {
  const { prompt_values_supported: supported } = (await provider.configuration()).serverMetadata();
  const lacks = Array.isArray(supported) && !supported.includes('select_account');
  return lacks ? 'login' : 'select_account';
}
