import type { LoginSecrets } from '../oauth/login.ts';
import type { AccountProvider } from '../oauth/providers.ts';
import { recordNameOf, type SealedRecords } from './sealed-records.ts';

/** How long an authorization request may take to come back, in milliseconds. */
export const pendingLoginLifetime = 10 * 60 * 1000;

/** A login that has left for the authorization server and has not come back. */
export interface PendingLogin extends AccountProvider {
  readonly secrets: LoginSecrets;
  readonly returnUrl: string;
  /** The id of the session that was there when the login began; it ends when the new one exists. */
  readonly replaces?: string;
  /** The id of the session that gets an account at this provider. Absent: the login begins a session. */
  readonly connects?: string;
}

/**
 * Logins under way, one record each, so that any number of tabs can sign in at once. A record is named by its state *and*
 * the binding in the login cookie: another browser cannot even find it, let alone use it up (RFC 9700 §4.7).
 */
export class PendingLogins {
  constructor(private readonly records: SealedRecords) {}

  async put(binding: string, login: PendingLogin): Promise<void> {
    const name = recordName(login.secrets.state, binding);
    await this.records.create(name, JSON.stringify(login), pendingLoginLifetime);
  }

  /** The login, once: of any number of callbacks with the same state, one gets it. */
  async take(binding: string, state: string): Promise<PendingLogin | undefined> {
    const text = await this.records.take(recordName(state, binding));
    return text === undefined ? undefined : (JSON.parse(text) as PendingLogin);
  }

  /** The time by the clock of the store, in epoch milliseconds. */
  async storeTime(): Promise<number> {
    return this.records.storeTime();
  }
}

function recordName(state: string, binding: string): string {
  return recordNameOf(JSON.stringify([state, binding]));
}
