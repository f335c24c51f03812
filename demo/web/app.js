import { call, clickedBefore, rememberClick, signedInUser, signInUrl } from './bff.js';
import { commandLine } from './command-line.js';
import { apiConsole } from './console.js';
import { diagram } from './diagram.js';
import { el } from './dom.js';
import { measure } from './measure.js';
import { reach } from './reach.js';
import { claimsCard, sessionCard } from './session.js';

const content = document.querySelector('#content');
const account = document.querySelector('#account');

const user = await signedInUser();
if (user) await showSignedIn(user);
else showSignedOut();
content.removeAttribute('aria-busy');

function signInLink() {
  return el(
    'a',
    { class: 'primary button', id: 'sign-in', href: signInUrl, onclick: rememberClick },
    'Sign in',
  );
}

function showSignedOut() {
  document.body.dataset.state = 'signed-out';
  content.replaceChildren(
    el(
      'section',
      { class: 'hero' },
      el(
        'div',
        {},
        el('p', { class: 'eyebrow' }, 'Backend for Frontend'),
        el('h1', {}, 'Signed in, with no token in the browser.'),
        el(
          'p',
          { class: 'lead' },
          'Sign in, and this page draws how it went, in eleven steps: what travelled, between whom, and how long each leg took.',
        ),
        el(
          'p',
          { class: 'action' },
          signInLink(),
          el('span', {}, 'as ada or alan, password pixie'),
        ),
      ),
      pkcePair(),
    ),
    section('steps', 'What is about to happen', legend(), diagram()),
  );
}

function half(className, name, text, where) {
  return el(
    'div',
    { class: className },
    el('dt', {}, name, el('span', {}, where)),
    el('dd', {}, text),
  );
}

/** The pair of RFC 7636, Appendix B: what stays and what travels. */
function pkcePair() {
  return el(
    'figure',
    { class: 'pair' },
    el(
      'dl',
      {},
      half('kept', 'verifier', 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk', 'stays in the BFF'),
      half('travels', 'challenge', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWBuGJSstw-cM', 'travels'),
    ),
    el('figcaption', {}, 'The example of RFC 7636. Each sign-in makes a pair of its own.'),
  );
}

async function showSignedIn(signedIn) {
  document.body.dataset.state = 'signed-in';
  account.replaceChildren(
    el('span', { class: 'name' }, signedIn.claims.name ?? signedIn.sub),
    el('a', { class: 'secondary button', id: 'sign-out', href: signedIn.logoutUrl }, 'Sign out'),
  );
  const whoAmI = await call('GET', '/api/whoami');
  const journey = await call('GET', '/api/journey');
  const notes = await call('GET', '/api/notes');
  if (![whoAmI, journey, notes].every(({ ok }) => ok)) return showTrouble();
  const { card, update } = sessionCard(signedIn, () => location.reload());
  const measured = measure({
    journey: journey.body,
    whoAmI,
    clickedAt: clickedBefore(journey.body.times.requestReceived),
  });
  const onCalled = async ({ status }) => {
    if (status === 401) return location.reload();
    const renewed = await signedInUser();
    if (renewed) update(renewed);
  };
  content.replaceChildren(
    el(
      'section',
      { class: 'welcome' },
      el(
        'div',
        { class: 'greeting' },
        el('p', { class: 'eyebrow' }, 'Signed in'),
        el('h1', {}, signedIn.claims.name ?? signedIn.sub),
      ),
      claimsCard(signedIn),
      card,
    ),
    section('steps', 'Your sign-in, in eleven steps', legend(), diagram(measured)),
    section(
      'api',
      'Call the API',
      intro(
        'The page calls its own origin. The BFF attaches the access token on the way to the API.',
      ),
      apiConsole(notes, onCalled),
    ),
    section(
      'command-line',
      'Connect the command line',
      intro(
        'A client without cookies signs in through the BFF, too. PKCE protects both levels, and ' +
          'neither verifier leaves its owner.',
      ),
      ...commandLine(),
    ),
    section(
      'reach',
      'What this page can reach',
      intro(
        'If a script goes astray here, this is all it finds. The token is seen by the API alone.',
      ),
      reach(whoAmI),
    ),
  );
}

function showTrouble() {
  content.replaceChildren(
    el(
      'section',
      { class: 'hero' },
      el('h1', {}, 'The API did not answer.'),
      el('p', { class: 'lead' }, 'The session may have ended, or one of the demo’s servers has.'),
      el('p', { class: 'action' }, signInLink()),
    ),
  );
}

function legend() {
  return el(
    'p',
    { class: 'legend' },
    el('span', { class: 'key closed' }, 'From server to server: verifier and tokens'),
    el('span', { class: 'key open' }, 'Through the browser: neither of them'),
  );
}

function intro(text) {
  return el('p', { class: 'intro' }, text);
}

function section(id, title, ...children) {
  return el(
    'section',
    { id, class: 'part', 'aria-labelledby': `${id}-title` },
    el('h2', { id: `${id}-title` }, title),
    ...children,
  );
}
