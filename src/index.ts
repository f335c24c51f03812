export { BffModule, type BffAsyncOptions } from './bff.module.ts';
export type { HostOptions } from './bff.providers.ts';
export { ConfigurationError } from './config/load.ts';
export type { OptionsInput, SignInRule } from './config/options.ts';
export { BffError, type ErrorCode } from './errors.ts';
export { NotAllowedException, type OnSignIn } from './oauth/hook/function-hook.ts';
export type { HookClaims, SignInUser } from './oauth/hook/sign-in-hook.ts';
export { createPkcePair, type PkcePair } from './oauth/login/pkce.ts';
export {
  BffService,
  type AccessTokenOptions,
  type EndSessionsOptions,
} from './access/bff.service.ts';
export type { BffHooks } from './oauth/hook/bff-hooks.ts';
export { Require } from './access/require.decorator.ts';
export { CurrentUser } from './access/current-user.decorator.ts';
export { SignedInGuard } from './access/signed-in.guard.ts';
export { signedInAs } from './access/signed-in-as.guard.ts';
export { type User, withUser } from './access/user.ts';
