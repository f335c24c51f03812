import { definitions, el } from './dom.js';

/** Who is signed in and for how long. Calls `onEnd` once when the session is over. */
export function sessionCard(user, onEnd) {
  const idle = lifetime('If you do nothing');
  const absolute = lifetime('At the latest');
  let left = timesLeft(user.session);
  let longestIdle = 1;
  const show = () => {
    const elapsed = performance.now() - left.measuredAt;
    longestIdle = Math.max(longestIdle, left.idle);
    idle.show(left.idle - elapsed, longestIdle);
    absolute.show(left.absolute - elapsed, left.whole);
    if (Math.min(left.idle, left.absolute) > elapsed) return;
    clearInterval(timer);
    onEnd();
  };
  const timer = setInterval(show, 1000);
  show();
  const card = el(
    'section',
    { class: 'card session', 'aria-labelledby': 'session-title' },
    el('h2', { id: 'session-title', class: 'card-title' }, 'This session ends'),
    idle.element,
    absolute.element,
    el('p', { class: 'aside' }, 'Every call to the API begins the first clock anew.'),
  );
  const update = ({ session }) => {
    left = timesLeft(session);
    show();
  };
  return { card, update };
}

/** What is left, by the BFF's clock: `expiresIn` counts to the nearer of the two ends. This machine's clock may be wrong. */
function timesLeft({ createdAt, expiresAt, idleExpiresAt, expiresIn }) {
  const [start, end, idleEnd] = [createdAt, expiresAt, idleExpiresAt].map(Date.parse);
  const now = Math.min(end, idleEnd) - expiresIn * 1000;
  return {
    idle: idleEnd - now,
    absolute: end - now,
    whole: end - start,
    measuredAt: performance.now(),
  };
}

/** The claims the BFF tells the page: who someone is, never what proves it. */
export function claimsCard({ sub, provider, claims }) {
  return el(
    'section',
    { class: 'card', 'aria-labelledby': 'claims-title' },
    el('h2', { id: 'claims-title', class: 'card-title' }, 'What the BFF says about you'),
    definitions(
      [
        ['Name', claims.name],
        ['Email', claims.email],
        ['Username', claims.preferred_username],
        ['Subject', el('code', {}, sub)],
        ['Signed in by', el('code', {}, provider)],
      ],
      'facts',
    ),
  );
}

function lifetime(label) {
  const left = el('span', { class: 'left' });
  const bar = el('progress', { max: 1, value: 1, 'aria-label': `${label}: time left` });
  const element = el('div', { class: 'lifetime' }, el('span', {}, label), left, bar);
  const show = (ms, whole) => {
    left.textContent = clock(Math.max(0, ms));
    bar.value = Math.min(1, Math.max(0, ms / whole));
  };
  return { element, show };
}

function clock(ms) {
  const seconds = Math.round(ms / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] > 0 ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, '0') : part)).join(':');
}
