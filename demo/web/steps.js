export const parties = ['Browser', 'BFF', 'Authorization server', 'API'];
const [browser, bff, server, api] = [0, 1, 2, 3];

/** A leg of the way. `open` ones pass through the browser; `closed` ones go from server to server. */
const open = (from, to) => ({ from, to, kind: 'open' });
const closed = (from, to) => ({ from, to, kind: 'closed' });
const within = (at) => ({ from: at, to: at, kind: 'closed' });

/**
 * The eleven steps of a sign-in. Each line of `lines` is drawn below the one before. What a step says of itself in
 * `measured` comes from the parties; without it the step is only announced.
 */
export const steps = [
  {
    title: 'Asks to sign in',
    from: browser,
    to: bff,
    lines: [[open(browser, bff)]],
    travels: 'GET /bff/login',
    text: 'A plain link. The page runs no OAuth code and has no client id to leak.',
  },
  {
    title: 'Makes verifier and challenge',
    from: bff,
    to: bff,
    lines: [[within(bff)]],
    travels: 'nothing',
    text: 'The verifier is a new random secret for this one sign-in. It stays here. Only its SHA-256, the challenge, travels.',
    spec: 'RFC 7636 §4.1, §4.2',
  },
  {
    title: 'Authorization request',
    from: bff,
    to: server,
    lines: [[open(bff, browser)], [open(browser, server)]],
    travels: 'challenge, state, nonce',
    text: 'The BFF answers with a redirect, so the request passes through the browser, where anyone may read it. The challenge does not reveal the verifier, and the redirect URI must be one that was registered.',
    spec: 'RFC 6749 §4.1.1, RFC 7636 §4.3',
  },
  {
    title: 'Signs in',
    from: browser,
    to: server,
    lines: [[open(browser, server)]],
    travels: 'username and password',
    text: 'The password is typed at the authorization server. The application never sees it.',
  },
  {
    title: 'Consents',
    from: browser,
    to: server,
    lines: [[open(browser, server)]],
    travels: 'a yes to each scope',
    text: 'What the application may do is named in plain words, and a person says yes or no.',
    spec: 'OIDC Core §3.1.2.4',
  },
  {
    title: 'Code to the callback',
    from: server,
    to: bff,
    lines: [[open(server, browser)], [open(browser, bff)]],
    travels: 'code, state',
    text: 'The code passes through the browser too. Stolen here it would be worthless: whoever redeems it must show the verifier. The BFF first compares the state with the login it began.',
    spec: 'RFC 6749 §4.1.2, RFC 9207',
  },
  {
    title: 'Redeems the code',
    from: bff,
    to: server,
    lines: [[closed(bff, server)]],
    travels: 'code, verifier, client secret',
    text: 'From server to server. The verifier travels this once, is spent together with the code, and is accompanied by the client’s own credentials.',
    spec: 'RFC 7636 §4.5',
  },
  {
    title: 'SHA-256(verifier) = challenge',
    from: server,
    to: server,
    lines: [[within(server)]],
    travels: 'nothing',
    text: 'The authorization server hashes the verifier and compares. Only the party that asked in step 3 can answer this.',
    spec: 'RFC 7636 §4.6',
  },
  {
    title: 'Tokens to the BFF, a cookie to the browser',
    from: server,
    to: bff,
    lines: [[closed(server, bff), open(bff, browser)]],
    travels: 'tokens; HttpOnly cookie',
    text: 'Access, refresh and ID token end their journey in the BFF’s sealed session. The browser gets a cookie no script can read, and nothing else.',
    spec: 'RFC 6749 §5.1, OIDC Core §3.1.3.3',
  },
  {
    title: 'Calls the API',
    from: browser,
    to: api,
    lines: [[open(browser, bff), closed(bff, api)]],
    travels: 'cookie; then access token',
    text: 'The page calls its own origin with the cookie and one header, X-CSRF. The BFF takes the cookie off and puts the access token on.',
    spec: 'RFC 6750 §2.1',
  },
  {
    title: 'Validates and answers',
    from: api,
    to: browser,
    lines: [[within(api)], [closed(api, bff), open(bff, browser)]],
    travels: 'the answer',
    text: 'The API trusts nobody’s word: it checks the token itself, at every call.',
    spec: 'RFC 9068 §4',
  },
];
