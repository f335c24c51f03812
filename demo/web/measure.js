import { duration } from './dom.js';

/** What was measured, by step: when it happened after the first one, how long it took, and what travelled. */
export function measure({ journey, whoAmI, clickedAt }) {
  const t = journey.times;
  const start = clickedAt ?? t.requestReceived;
  const reading = whoAmI.body.validation;
  const from = (time) => (time === undefined ? undefined : Math.max(0, time - start));
  const toServer = clickedAt === undefined ? undefined : t.requestReceived - clickedAt;
  return [
    {
      at: from(start),
      facts: [
        ['Request', 'GET /bff/login?returnUrl=/'],
        ['Took', withNext(toServer)],
      ],
    },
    {
      facts: [
        ['Challenge', random(journey.challenge)],
        ['Verifier', verifier(journey)],
        ['Took', withNext(toServer)],
      ],
    },
    {
      at: from(t.requestReceived),
      took: toServer,
      facts: [
        ['code_challenge', random(journey.challenge)],
        ['Method', journey.challengeMethod],
        ['redirect_uri', code(journey.redirectUri)],
        ['scope', code(journey.scopes.join(' '))],
        ['state, nonce', `${given(journey.hasState)}, ${given(journey.hasNonce)}`],
      ],
    },
    {
      at: from(t.signInSubmitted),
      took: between(t.signInShown, t.signInSubmitted),
      facts: [
        ['Form shown', shownFor(t.signInShown, t.signInSubmitted)],
        ['Wrong passwords', String(journey.wrongPasswords)],
      ],
    },
    {
      at: from(t.consentGiven),
      took: between(t.consentShown, t.consentGiven),
      facts: [
        ['Page shown', shownFor(t.consentShown, t.consentGiven)],
        ['Allowed', code(journey.scopes.join(' '))],
      ],
    },
    {
      at: from(t.codeIssued),
      took: between(t.codeIssued, t.tokenRequestReceived),
      facts: [
        ['Back to', code(journey.redirectUri)],
        ['Took', 'until the token request of step 7 arrived'],
      ],
    },
    {
      at: from(t.tokenRequestReceived),
      facts: [
        ['Verifier', verifier(journey)],
        ['Client authentication', code(journey.clientAuthentication)],
        ['Took', 'counted with step 6'],
      ],
    },
    {
      at: from(t.tokensIssued),
      took: between(t.tokenRequestReceived, t.tokensIssued),
      facts: [
        [
          'SHA-256(verifier)',
          journey.verifier.matchesChallenge ? 'equals the challenge' : 'differs',
        ],
        ['Challenge', random(journey.challenge)],
        ['Took', 'from request to tokens, signatures included'],
      ],
    },
    {
      at: from(t.tokensIssued),
      facts: [
        ['Tokens', tokenNames(journey.tokens)],
        ['Access token lives', duration(journey.tokens.accessTokenSeconds * 1000)],
        ['Renewed since', times(journey.refreshes)],
        ['To the browser', 'Set-Cookie: bff=…; HttpOnly; SameSite=Strict'],
      ],
    },
    {
      at: from(whoAmI.sentAt),
      took: between(whoAmI.sentAt, reading.startedAt),
      facts: [
        ['From the page', code('X-CSRF: 1')],
        ['At the API', code(`Authorization: ${whoAmI.body.headers.authorization}`)],
      ],
    },
    {
      at: from(reading.startedAt),
      took: reading.tookMs,
      facts: [
        ...reading.checks.map(({ name, found }) => [name, code(found)]),
        ['Whole call', duration(whoAmI.tookMs)],
      ],
    },
  ];
}

function verifier({ verifier: seen }) {
  return code(`${seen.length} characters, fingerprint ${seen.fingerprint}`);
}

function code(text) {
  const element = document.createElement('code');
  element.textContent = text;
  return element;
}

/** A code that may break anywhere, because its hyphens mean nothing. */
function random(text) {
  const element = code(text);
  element.className = 'random';
  return element;
}

function between(start, end) {
  return start === undefined || end === undefined ? undefined : Math.max(0, end - start);
}

function shownFor(start, end) {
  const span = between(start, end);
  return span === undefined ? 'not needed, still signed in there' : `for ${duration(span)}`;
}

function withNext(ms) {
  return ms === undefined ? 'not measured' : `within the ${duration(ms)} of steps 1 to 3`;
}

function given(isGiven) {
  return isGiven ? 'sent' : 'missing';
}

function tokenNames({ hasRefreshToken, hasIdToken }) {
  return ['access', hasRefreshToken && 'refresh', hasIdToken && 'ID'].filter(Boolean).join(', ');
}

function times(count) {
  return count === 0 ? 'not yet' : `${count} ${count === 1 ? 'time' : 'times'}`;
}
