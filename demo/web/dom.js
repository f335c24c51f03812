/**
 * An element. Properties are set as such; `class`, `aria-*`, `data-*` and other names with a dash become attributes,
 * `on…` listeners. Children that are `undefined`, `null` or `false` leave nothing.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name.includes('-') || !(name in element)) element.setAttribute(name, String(value));
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child || child === 0));
  return element;
}

/** A list of terms and what they stand for; entries without a value are left out. */
export function definitions(entries, className) {
  const rows = entries
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([term, value]) => el('div', {}, el('dt', {}, term), el('dd', {}, value)));
  return el('dl', { class: className }, ...rows);
}

/** A span of time as people say it. */
export function duration(ms) {
  if (ms === undefined || Number.isNaN(ms)) return '';
  if (ms < 1) return '< 1 ms';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
