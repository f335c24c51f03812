import { definitions, duration, el } from './dom.js';
import { parties, steps } from './steps.js';

/**
 * The eleven steps as a sequence diagram: a list of buttons with arrows across four lanes, and one explanation that
 * follows pointer, focus and touch. Without measurements it announces what will happen.
 */
export function diagram(measured) {
  const explanation = el('aside', {
    class: 'explanation',
    id: 'explanation',
    'aria-live': 'polite',
  });
  const rows = steps.map((step, index) => row(step, measured?.[index], index));
  const list = el('ol', { class: 'steps' }, ...rows);
  const place = el('div', { class: 'beside' });
  const figure = el(
    'div',
    { class: measured ? 'diagram' : 'diagram announced' },
    el('div', { class: 'sequence' }, laneHeads(measured), list),
    place,
  );
  explainOnDemand({ rows, explanation, place, measured });
  return figure;
}

function laneHeads(measured) {
  const short = { 'Authorization server': 'Auth server' };
  const heads = parties.map((party) =>
    el(
      'li',
      {},
      el('span', { class: 'wide' }, party),
      el('span', { class: 'narrow', 'aria-hidden': 'true' }, short[party] ?? party),
    ),
  );
  return el(
    'div',
    { class: 'heads' },
    el('span', { class: 'elapsed' }, measured && 'elapsed'),
    el('ul', { class: 'lane-heads', 'aria-label': 'Parties' }, ...heads),
  );
}

function row(step, measured, index) {
  const direction =
    step.from === step.to
      ? `at the ${parties[step.from]}`
      : `from ${parties[step.from]} to ${parties[step.to]}`;
  const button = el(
    'button',
    { class: 'step', type: 'button', 'aria-controls': 'explanation' },
    el('span', { class: 'when' }, elapsed(measured?.at)),
    caption(step, measured, index, direction),
    arrows(step),
  );
  return el('li', { 'data-step': index + 1 }, button);
}

function elapsed(ms) {
  if (ms === undefined) return '';
  return ms === 0 ? '0' : `+${duration(ms)}`;
}

function caption(step, measured, index, direction) {
  const leftmost = Math.min(...step.lines[0].flatMap(({ from, to }) => [from, to]));
  return el(
    'span',
    { class: 'caption', 'data-lane': leftmost },
    el('span', { class: 'number', 'aria-hidden': 'true' }, String(index + 1)),
    el('span', { class: 'title' }, step.title),
    measured?.took !== undefined && el('span', { class: 'took' }, duration(measured.took)),
    el('span', { class: 'unseen' }, `, ${direction}`),
  );
}

function arrows({ lines }) {
  const legs = lines.flatMap((line, index) => line.map((leg) => arrow(leg, index)));
  const turns = lines.slice(1).flatMap(([next], index) => turn(next, index));
  return el(
    'span',
    { class: 'arrows', 'data-lines': lines.length, 'aria-hidden': 'true' },
    ...legs,
    ...turns,
  );
}

function arrow({ from, to, kind }, line) {
  const direction = from === to ? 'self' : from < to ? 'right' : 'left';
  return el('span', {
    class: `leg ${kind} ${direction}`,
    'data-lane': Math.min(from, to),
    'data-span': Math.abs(to - from),
    'data-line': line,
  });
}

/** Where a way goes on from one line to the next, at the lane in which it turns. */
function turn({ from, kind }, line) {
  return el('span', { class: `turn ${kind}`, 'data-lane': from, 'data-line': line });
}

const narrow = matchMedia('(max-width: 899px)');

function explainOnDemand({ rows, explanation, place, measured }) {
  let current = -1;
  const select = (index) => {
    if (index === current) return;
    current = index;
    rows.forEach((item, at) => markCurrent(item.firstElementChild, at === index));
    explanation.replaceChildren(...explain(index, measured?.[index]));
    put();
  };
  const put = () => (narrow.matches ? rows[current] : place).append(explanation);
  rows.forEach((item, index) => {
    const button = item.firstElementChild;
    button.addEventListener('click', () => select(index));
    button.addEventListener('focus', () => narrow.matches || select(index));
    button.addEventListener('pointerenter', (event) => {
      if (event.pointerType === 'mouse' && !narrow.matches) select(index);
    });
  });
  narrow.addEventListener('change', put);
  select(measured ? 7 : 1);
}

function markCurrent(button, isCurrent) {
  if (isCurrent) button.setAttribute('aria-current', 'step');
  else button.removeAttribute('aria-current');
}

function explain(index, measured) {
  const { title, from, to, text, travels, spec } = steps[index];
  return [
    el('p', { class: 'place' }, from === to ? parties[from] : `${parties[from]} → ${parties[to]}`),
    el('h3', {}, `${index + 1}. ${title}`),
    el('p', {}, text),
    definitions([['Travels', travels], ...(measured?.facts ?? [])], 'facts'),
    spec && el('p', { class: 'spec' }, spec),
  ].filter(Boolean);
}
