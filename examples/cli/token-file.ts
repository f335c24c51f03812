import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TokenEndpointResponse } from 'oauth4webapi';

/** Readable by its user alone. A real client would use the keychain of the system. */
const path =
  process.env['TOKEN_FILE'] ?? join(homedir(), '.config', 'pixie-bff-cli-example', 'tokens.json');

type Tokens = Pick<TokenEndpointResponse, 'access_token' | 'refresh_token'>;

/** Returns the saved tokens, `undefined` if there are none. */
export function readTokens(): Tokens | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Tokens;
  } catch {
    return undefined;
  }
}

/** Saves the tokens of a response. */
export function saveTokens({ access_token, refresh_token }: Tokens): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, JSON.stringify({ access_token, refresh_token }), { mode: 0o600 });
}

/** Forgets the tokens. */
export function removeTokens(): void {
  rmSync(path, { force: true });
}
