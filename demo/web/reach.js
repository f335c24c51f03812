import { el } from './dom.js';

/** What a script in this page can get hold of, beside what the API received for the same call. */
export function reach(whoAmI) {
  return el(
    'div',
    { class: 'reach' },
    column('A script on this page', [
      ['document.cookie', shown(document.cookie)],
      ['localStorage', storage(localStorage)],
      ['sessionStorage', storage(sessionStorage)],
      ['Sent with fetch', 'X-CSRF: 1'],
      ['Added by the browser', 'an HttpOnly cookie, out of reach'],
    ]),
    column('What the API received', receivedHeaders(whoAmI.body.headers)),
  );
}

function column(title, entries) {
  const rows = entries.map(([term, value]) =>
    el('div', {}, el('dt', {}, term), el('dd', {}, el('code', {}, value))),
  );
  return el('section', {}, el('h3', {}, title), el('dl', { class: 'facts' }, ...rows));
}

const worthShowing = [
  'authorization',
  'cookie',
  'x-csrf',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
  'traceparent',
];

function receivedHeaders(headers) {
  const cookie = headers.cookie ?? 'none';
  return worthShowing
    .map((name) => [name, name === 'cookie' ? cookie : headers[name]])
    .filter(([, value]) => value !== undefined);
}

function shown(text) {
  return text === '' ? '"" (empty)' : text;
}

function storage(area) {
  const entries = Object.entries(area).map(([key, value]) => `${key}: ${value}`);
  return entries.length === 0 ? 'empty' : entries.join('\n');
}
