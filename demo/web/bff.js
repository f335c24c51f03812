/**
 * Calls the BFF. There is no token to send: the browser adds the HttpOnly cookie, and `X-CSRF` tells the BFF that the
 * call comes from a script of its own origin.
 */
export async function call(method, path, body) {
  const init = { method, headers: { 'X-CSRF': '1' } };
  if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  const sentAt = Date.now();
  const clock = performance.now();
  const answer = await send(path, init);
  return {
    method,
    path,
    headers: init.headers,
    sentAt,
    tookMs: performance.now() - clock,
    ...answer,
  };
}

async function send(path, init) {
  try {
    const response = await fetch(path, init);
    const body = parse(await response.text(), response.headers.get('Content-Type') ?? '');
    return { status: response.status, ok: response.ok, body };
  } catch (error) {
    return { status: 0, ok: false, body: `The BFF did not answer: ${error.message}` };
  }
}

/** Who is signed in, or `null`. The demo's BFF answers `200 null` to a visitor who is not. */
export async function signedInUser() {
  const { ok, body } = await call('GET', '/bff/user?slide=false');
  return ok ? body : null;
}

function parse(text, type) {
  return /\bjson\b/.test(type) && text ? JSON.parse(text) : text;
}

const clickedKey = 'signInClickedAt';

/** Where a click on "Sign in" leads. The time of the click is all this page keeps. */
export const signInUrl = '/bff/login?returnUrl=%2F';

export function rememberClick() {
  sessionStorage.setItem(clickedKey, String(Date.now()));
}

/** When "Sign in" was clicked, if that click began the sign-in whose request arrived at this time. */
export function clickedBefore(requestReceived) {
  const clickedAt = Number(sessionStorage.getItem(clickedKey));
  const isThisSignIn = clickedAt > 0 && Math.abs(requestReceived - clickedAt) < 30_000;
  return isThisSignIn ? Math.min(clickedAt, requestReceived) : undefined;
}
