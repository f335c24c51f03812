export { BffModule, type BffAsyncOptions } from './bff.module.ts';
export { ConfigurationError } from './config/load.ts';
export type { OptionsInput } from './config/options.ts';
export { BffError, type ErrorCode } from './errors.ts';
export { createPkcePair, type PkcePair } from './oauth/pkce.ts';
export { CurrentUser } from './session/current-user.decorator.ts';
export { SignedInGuard, type User } from './session/signed-in.guard.ts';
