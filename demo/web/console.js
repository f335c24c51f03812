import { call } from './bff.js';
import { duration, el } from './dom.js';

/** Calls to try, a person's notes, and the answer of the latest call. `onCalled` hears of every one. */
export function apiConsole(firstNotes, onCalled) {
  const answer = el('div', { class: 'answer', 'aria-live': 'polite' });
  const list = el('ul', { class: 'notes' });
  const send = async (method, path, body) => {
    const result = await call(method, path, body);
    showAnswer(answer, result);
    onCalled(result);
    return result;
  };
  const showNotes = ({ ok, body }) => {
    if (ok) list.replaceChildren(...body.map((note) => noteRow(note, remove)));
  };
  const refresh = async () => showNotes(await send('GET', '/api/notes'));
  const change = async (method, path, body) => {
    await send(method, path, body);
    showNotes(await call('GET', '/api/notes'));
  };
  const remove = ({ id }) => change('DELETE', `/api/notes/${id}`);
  const add = (text) => change('POST', '/api/notes', { text });
  showNotes(firstNotes);
  showAnswer(answer, firstNotes);
  const element = el(
    'div',
    { class: 'console' },
    el('div', { class: 'requests' }, buttons(refresh, send, answer), addForm(add), list),
    answer,
  );
  return element;
}

function buttons(refresh, send, answer) {
  const stream = streamButton(answer);
  return el(
    'div',
    { class: 'buttons' },
    el('button', { type: 'button', class: 'secondary', onclick: refresh }, 'List notes'),
    el(
      'button',
      { type: 'button', class: 'secondary', onclick: () => send('GET', '/api/whoami') },
      'Who am I?',
    ),
    stream,
  );
}

function addForm(add) {
  const input = el('input', {
    id: 'note',
    name: 'text',
    maxLength: 280,
    required: true,
    autocomplete: 'off',
    placeholder: 'Something to remember',
  });
  const submit = async (event) => {
    event.preventDefault();
    if (!input.value.trim()) return;
    await add(input.value);
    input.value = '';
    input.focus();
  };
  return el(
    'form',
    { class: 'add', onsubmit: submit },
    el('label', { htmlFor: 'note' }, 'New note'),
    el('div', {}, input, el('button', { class: 'primary', type: 'submit' }, 'Add')),
  );
}

function noteRow(note, remove) {
  return el(
    'li',
    {},
    el('span', {}, note.text),
    el(
      'button',
      {
        type: 'button',
        class: 'remove',
        'aria-label': `Delete note: ${note.text}`,
        title: 'Delete',
        onclick: () => remove(note),
      },
      el('img', { src: '/icons/remove.svg', alt: '', width: 16, height: 16 }),
    ),
  );
}

function showAnswer(answer, { method, path, status, tookMs, headers, body }) {
  const sent = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  answer.replaceChildren(
    el('p', { class: 'request' }, el('b', {}, method), ` ${path}`),
    el('p', { class: 'sent' }, [...sent, 'Cookie: … (HttpOnly, added by the browser)'].join('\n')),
    el(
      'p',
      { class: 'status' },
      el(
        'span',
        { class: status < 400 && status ? 'ok' : 'failed' },
        String(status || 'no answer'),
      ),
      el('span', {}, duration(tookMs)),
    ),
    el('pre', { tabIndex: 0 }, body === '' ? '(no content)' : pretty(body)),
  );
}

function pretty(body) {
  return typeof body === 'string' ? body : JSON.stringify(body, null, 2);
}

/** Reads a stream of the API for as long as it is wanted. `EventSource` cannot send `X-CSRF`, `fetch` can. */
function streamButton(answer) {
  let running;
  const button = el('button', { type: 'button', class: 'secondary' }, 'Stream the time');
  button.addEventListener('click', async () => {
    if (running) return running.abort();
    running = new AbortController();
    button.textContent = 'Stop the stream';
    await readTime(answer, running.signal);
    button.textContent = 'Stream the time';
    running = undefined;
  });
  return button;
}

async function readTime(answer, signal) {
  const headers = { 'X-CSRF': '1', Accept: 'text/event-stream' };
  showAnswer(answer, { method: 'GET', path: '/api/time', status: 200, headers, body: '' });
  const output = answer.querySelector('pre');
  output.textContent = '';
  try {
    const response = await fetch('/api/time', { headers, signal });
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      output.textContent = (output.textContent + text).split('\n').slice(-24).join('\n');
    }
  } catch (error) {
    if (!signal.aborted) output.textContent += `\nThe stream ended: ${error.message}`;
  }
}
