import type { OptionsInput } from '../../src/config/options.ts';
import type { TestBrowser, Page } from '../support/browser/browser.ts';

/** What `bff.yaml` says about the provider, as far as it is the server's to decide. */
export type Registration = Partial<OptionsInput['providers'][number]>;

/** An authorization server that somebody else wrote. */
export interface Candidate {
  readonly name: string;
  /**
   * Makes it ready to be started, downloads and builds included. Throws `NotHere` where it cannot
   * be had.
   */
  provide(): Promise<Program>;
}

/** A server that can be started. */
export interface Program {
  readonly version: string;
  start(place: Place): Promise<Running>;
}

/** Where the BFF will be, and which loopback port the server may take. */
export interface Place {
  readonly publicUrl: string;
  readonly port: number;
}

/** A server that answers, with the BFF registered and one person who can sign in. */
export interface Running extends AsyncDisposable {
  readonly issuer: string;
  /** The end of what it printed. */
  readonly output: string;
  /** The client whose sessions the server ends from behind, where it can. */
  readonly registration: Registration;
  /** A client whose sessions the server ends through the browser. Absent: it has none. */
  readonly frontchannel?: Registration;
  /** Gives the person the realm role `admin`, or takes it back. Not every server has roles. */
  readonly changeRole?: (change: 'grant' | 'revoke') => Promise<void>;
  /** It has Back-Channel Logout, though its metadata does not say so. */
  readonly endsFromBehind?: true;
  /** An access token outlives its refresh token that was revoked. */
  readonly sparesAccessTokens?: true;
  /** From the first page of the server to where it sends the browser back. */
  signIn(browser: TestBrowser, page: Page): Promise<Page>;
  /** Says yes to "Do you want to sign out?", and shows what comes after. Absent: nobody asks. */
  confirmSignOut?(browser: TestBrowser, page: Page): Promise<Page>;
  /**
   * Signs out at the server without the BFF. Absent: `end_session_endpoint` does that for whoever
   * comes by.
   */
  signOutThere?(browser: TestBrowser): Promise<Page>;
}

/** Why a server cannot be had on this machine. */
export class NotHere extends Error {}
