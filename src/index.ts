export { BffModule, type BffAsyncOptions } from './bff.module.ts';
export { ConfigurationError } from './config/load.ts';
export type { OptionsInput } from './config/options.ts';
export { BffError, type ErrorCode } from './errors.ts';
export { createPkcePair, type PkcePair } from './oauth/login/pkce.ts';
export { CurrentUser } from './access/current-user.decorator.ts';
export { SignedInGuard, type User } from './access/signed-in.guard.ts';
