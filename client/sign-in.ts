import { waitForPopup } from './popup.ts';
import type { StateStore } from './state.ts';

/** What `login` accepts. Everything is optional. */
export interface LoginOptions {
  /** Where the browser goes after the sign-in: a path of this site. By default this page. */
  readonly returnUrl?: string;
  /** The id of the provider. By default the first one, or the one that the user chooses. */
  readonly provider?: string;
  /**
   * `true` signs in in a pop-up window, and this page stays as it is. Call `login` in the handler
   * of a click, or the browser blocks the window.
   */
  readonly popup?: boolean;
  /** For the provider, for example `select_account` (OIDC Core §3.1.2.1). */
  readonly prompt?: string;
  /** The `loginUrl` of a problem document, for the sign-in that a call of the API requires. */
  readonly loginUrl?: string;
}

/** Milliseconds after which a page that should have left is still here, as its user decided. */
const departure = 5000;

/** Milliseconds after an automatic redirect in which the same tab makes no further one. */
const redirectPause = 30_000;

const popupFeatures = 'popup,width=480,height=640';

/** The longest return URL that the BFF accepts, in octets. */
const maxReturnUrl = 2048;

/** Starts sign-ins, by a redirect or in a pop-up window. */
export interface SignIns {
  /** Whether this page is about to be left. */
  isLeaving(): boolean;
  /**
   * Leaves this page for an address, unless it is about to be left already. Resolves if the page is
   * still here five seconds later. Rejects if there is no address.
   */
  leave(address: () => string | Promise<string>): Promise<void>;
  /** Leaves this page for the sign-in, unless it is about to be left already. */
  redirect(options: LoginOptions): Promise<void>;
  /**
   * Whether a redirect without a click is allowed now. It is not within 30 seconds of the last one,
   * because a sign-in that does not help would go round for ever.
   */
  mayRedirect(): boolean;
  /**
   * Opens the sign-in in a pop-up window. A window that is open is led there, unless it began with
   * the same sign-in. Resolves with whether the user signed in. Never rejects.
   */
  popUp(options: LoginOptions): Promise<boolean>;
  /** The result of the open pop-up window. */
  openPopup(): Promise<boolean> | undefined;
}

/** Creates the sign-ins of one client. `name` is the name of the pop-up window and its channel. */
export function createSignIns(basePath: string, name: string, store: StateStore<object>): SignIns {
  let leaving: Promise<void> | undefined;
  let popup: Window | null = null;
  let shown: string | undefined;
  let outcome: Promise<boolean> | undefined;

  function leave(address: () => string | Promise<string>): Promise<void> {
    leaving ??= (async () => {
      location.assign(await address());
      await new Promise((resolve) => setTimeout(resolve, departure));
    })().finally(() => (leaving = undefined));
    return leaving;
  }

  const explained = (code: string | undefined) => store.check(code).catch(() => undefined);

  return {
    openPopup: () => outcome,
    isLeaving: () => leaving !== undefined,
    leave,
    redirect: (options) => leave(() => loginAddress(basePath, options)),
    mayRedirect() {
      try {
        const last = Number(sessionStorage.getItem(name));
        if (Math.abs(Date.now() - last) < redirectPause) return false;
        sessionStorage.setItem(name, String(Date.now()));
      } catch {
        // A browser without storage keeps no cookies either: the sign-in ends on an error page.
      }
      return true;
    },
    async popUp(options) {
      const wanted = loginAddress(basePath, options, true);
      if (outcome && wanted === shown && popup?.closed === false) popup.focus();
      else {
        // The name gives a second sign-in the window of the first.
        popup = open(wanted, name, popupFeatures);
        if (!popup) return explained('popup_blocked').then(() => false);
        shown = wanted;
      }
      const before = store.signIns;
      outcome ??= waitForPopup(name, () => popup?.closed ?? true)
        .then(async (code) => {
          if (code === undefined) store.signIns += 1;
          await explained(code);
          // The window may have been closed by its user right after the sign-in.
          return store.signIns > before;
        })
        .finally(() => (outcome = undefined));
      return outcome;
    },
  };
}

/**
 * Returns the address that begins a sign-in. Of `loginUrl`, which may come from an upstream, only
 * the endpoint and the query are used, so that it never leads away from the BFF.
 */
function loginAddress(basePath: string, options: LoginOptions, popup = false): string {
  const { loginUrl = '', provider, prompt, returnUrl = popup ? undefined : here() } = options;
  const [, endpoint = 'login', query = ''] =
    /\/(login|connect\/[\w.~-]+)(?:\?([^#]*))?$/.exec(loginUrl) ?? [];
  const parameters = new URLSearchParams(query);
  parameters.delete('popup');
  const given = { provider, prompt, returnUrl, popup: popup ? '1' : undefined };
  for (const [key, value] of Object.entries(given)) if (value) parameters.set(key, value);
  return `${basePath}/${endpoint}?${parameters}`;
}

function here(): string | undefined {
  const address = location.pathname + location.search + location.hash;
  return address.length <= maxReturnUrl ? address : undefined;
}
