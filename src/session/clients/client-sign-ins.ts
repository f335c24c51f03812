import type { SignIn } from '../../oauth/login/sign-in.ts';
import { recordNameOf, type SealedRecords } from '../store/sealed-records.ts';

/**
 * The time limit from a sign-in to the user's consent, in milliseconds. It is below five minutes,
 * for which a logout at the provider also ends sign-ins that are no sessions yet.
 */
const consentTimeout = 4.5 * 60 * 1000;

/** A sign-in that waits for the user's consent to become the session of a client. */
export interface ClientSignIn {
  readonly signIn: SignIn;
  /** The id of the provider. */
  readonly provider: string;
  /** When the callback arrived, by the store's clock. */
  readonly begunAt: number;
  /** The secret that the consent form repeats, so that no other site can send it. */
  readonly formToken: string;
}

/**
 * Stores sign-ins that wait for consent. The name of a record contains the authorization request
 * *and* the binding in the login cookie, so another browser can neither read it nor use it.
 */
export class ClientSignIns {
  constructor(private readonly records: SealedRecords) {}

  /** Stores the sign-in for an authorization request. Replaces an earlier one of the same browser. */
  async put(request: string, binding: string, signIn: ClientSignIn): Promise<void> {
    const name = nameOf(request, binding);
    await this.records.remove(name);
    await this.records.create(name, JSON.stringify(signIn), consentTimeout);
  }

  /** Returns the sign-in, `undefined` if there is none or its time is over. */
  async read(request: string, binding: string): Promise<ClientSignIn | undefined> {
    const record = await this.records.read(nameOf(request, binding));
    return record && (JSON.parse(record.text) as ClientSignIn);
  }

  /** Returns the sign-in and removes it: of several consents, one gets it. */
  async take(request: string, binding: string): Promise<ClientSignIn | undefined> {
    const text = await this.records.take(nameOf(request, binding));
    return text === undefined ? undefined : (JSON.parse(text) as ClientSignIn);
  }
}

function nameOf(request: string, binding: string): string {
  return recordNameOf(JSON.stringify([request, binding]));
}
