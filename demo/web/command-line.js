import { call } from './bff.js';
import { el } from './dom.js';

const program = 'node examples/cli/main.ts';

/** The commands in the order in which a reader tries them, and what each does. */
const commands = [
  [`BFF_URL=${location.origin} ${program} login`, 'Opens this browser, asks for your consent.'],
  [`BFF_URL=${location.origin} ${program} login --device`, 'Shows a code to enter here instead.'],
  [`BFF_URL=${location.origin} ${program} call /api/notes`, 'Calls the API with its handle.'],
];

/** The two levels of PKCE: each verifier stays with the party that made it. */
const levels = [
  ['Command line', 'verifier 1', 'made by the client'],
  ['BFF', 'verifier 2', 'made for the provider'],
  ['Provider', 'tokens', 'which only the BFF gets'],
];

/** How a client without a cookie signs in, and which clients are signed in now. */
export function commandLine() {
  const list = el('ul', { class: 'clients', 'aria-live': 'polite' });
  const show = () => showClients(list);
  void show();
  return [
    pkceLevels(),
    el(
      'div',
      { class: 'connect' },
      el('ol', { class: 'commands' }, ...commands.map(command)),
      el(
        'div',
        { class: 'connected' },
        el('h3', {}, 'Connected clients'),
        list,
        el(
          'p',
          { class: 'buttons' },
          el('a', { class: 'secondary button', href: '/bff/oauth/device' }, 'Enter a code'),
          el('button', { class: 'secondary button', type: 'button', onclick: show }, 'Refresh'),
        ),
      ),
    ),
  ];
}

function pkceLevels() {
  const [client, bff, provider] = levels.map(([name, secret, where], index) =>
    el(
      'li',
      { class: index < 2 ? 'party kept' : 'party' },
      el('strong', {}, name),
      el('span', { class: 'secret' }, secret),
      el('span', {}, where),
    ),
  );
  return el(
    'ol',
    { class: 'levels', 'aria-label': 'PKCE on both levels' },
    client,
    crossing('challenge 1', 'code 1, then verifier 1'),
    bff,
    crossing('challenge 2', 'code 2, then verifier 2'),
    provider,
  );
}

function crossing(challenge, proof) {
  return el(
    'li',
    { class: 'crossing' },
    el('span', {}, challenge),
    el('span', { class: 'proof' }, proof),
  );
}

function command([text, what]) {
  const copy = el('button', { class: 'secondary button', type: 'button' }, 'Copy');
  copy.setAttribute('aria-label', `Copy: ${text}`);
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = 'Copied';
    setTimeout(() => (copy.textContent = 'Copy'), 2000);
  });
  return el('li', {}, el('p', {}, what), el('div', { class: 'line' }, el('code', {}, text), copy));
}

/** Lists the sessions of clients. Ending one makes its next call `401`. */
async function showClients(list) {
  const { ok, body } = await call('GET', '/bff/sessions');
  const clients = ok ? body.filter(({ client }) => client) : [];
  const rows = clients.map(({ id, client, createdAt }) => {
    const end = el('button', { class: 'secondary button', type: 'button' }, 'End');
    end.setAttribute('aria-label', `End the session of ${client}`);
    end.addEventListener('click', async () => {
      await call('DELETE', `/bff/sessions/${id}`);
      await showClients(list);
    });
    const since = new Date(createdAt).toLocaleTimeString();
    return el('li', {}, el('span', {}, el('strong', {}, client), ` since ${since}`), end);
  });
  const none = el('li', { class: 'none' }, 'None yet. Its next call after “End” is a 401.');
  list.replaceChildren(...(rows.length > 0 ? rows : [none]));
}
