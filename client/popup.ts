/** The message of the page at the end of a pop-up sign-in. */
interface PopupMessage {
  readonly source?: string;
  readonly isLoggedIn?: boolean;
  readonly code?: string;
}

/** How often an open pop-up is looked at, in milliseconds. */
const interval = 250;

/**
 * Waits for the end of a pop-up sign-in. Resolves with `undefined` if the user signed in, otherwise
 * with why not: `popup_closed`, or a code of the BFF. The message comes by `postMessage` and, if
 * the provider has cut the connection between the windows, by `BroadcastChannel`.
 */
export function waitForPopup(name: string, isClosed: () => boolean): Promise<string | undefined> {
  return new Promise((resolve) => {
    const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel(name) : undefined;
    let looks = 0;
    const timer = setInterval(() => {
      // A window that was cut off looks closed, too, but it has the focus while it is used.
      looks = isClosed() && document.hasFocus() ? looks + 1 : 0;
      // The message of a window that has just closed itself may still be on its way.
      if (looks > 1) end('popup_closed');
    }, interval);

    function end(code?: string): void {
      clearInterval(timer);
      removeEventListener('message', hear);
      channel?.close();
      resolve(code);
    }
    function hear({ origin, source, data }: MessageEvent<PopupMessage | null>): void {
      if (origin !== location.origin || data?.source !== 'bff-popup-login') return;
      // A failure in the window of another tab. That of this window comes from it.
      if (!data.isLoggedIn && !source && !isClosed()) return;
      end(data.isLoggedIn ? undefined : (data.code ?? 'login_failed'));
    }
    addEventListener('message', hear);
    channel?.addEventListener('message', hear);
  });
}
