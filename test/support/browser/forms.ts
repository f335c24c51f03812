/** A form that a page submits by itself. */
export interface Form {
  readonly action: string;
  readonly fields: URLSearchParams;
}

/**
 * The form that an HTML page submits without a click, as `response_mode=form_post` does; undefined
 * when there is none.
 */
export function autoSubmittedForm(html: string): Form | undefined {
  if (!/\.submit\(\)/.test(html)) return undefined;
  const form = /<form\b[^>]*>/i.exec(html)?.[0] ?? '';
  const action = attribute(form, 'action');
  if (!/method="post"/i.test(form) || action === undefined) return undefined;
  const fields = new URLSearchParams();
  for (const [input] of html.matchAll(/<input\b[^>]*>/gi)) {
    const name = attribute(input, 'name');
    if (name !== undefined) fields.append(name, attribute(input, 'value') ?? '');
  }
  return { action, fields };
}

/**
 * The first form of a page that has all of these fields, with their initial values. Buttons are
 * fields too, but are sent only when they are pressed. Undefined when there is no such form.
 */
export function formWith(html: string, names: readonly string[]): Form | undefined {
  for (const [whole, tag = ''] of html.matchAll(/(<form\b[^>]*>).*?<\/form>/gis)) {
    const tags = [...whole.matchAll(/<(?:input|button)\b[^>]*>/gi)].map(([field]) => field);
    const known = new Set(tags.map((field) => attribute(field, 'name')));
    if (!names.every((name) => known.has(name))) continue;
    const fields = new URLSearchParams();
    for (const field of tags.filter(isSentUntouched)) {
      const name = attribute(field, 'name');
      if (name !== undefined) fields.append(name, attribute(field, 'value') ?? '');
    }
    return { action: attribute(tag, 'action') ?? '', fields };
  }
  return undefined;
}

/** The addresses of the frames in a page. */
export function framesIn(html: string): string[] {
  const tags = [...html.matchAll(/<iframe\b[^>]*>/gi)].map(([frame]) => frame);
  return tags.flatMap((frame) => attribute(frame, 'src') ?? []);
}

function isSentUntouched(field: string): boolean {
  if (/^<button/i.test(field)) return false;
  const type = attribute(field, 'type')?.toLowerCase() ?? 'text';
  if (['submit', 'button', 'image', 'reset', 'file'].includes(type)) return false;
  return !['checkbox', 'radio'].includes(type) || /\schecked\b/i.test(field);
}

function attribute(tag: string, name: string): string | undefined {
  const [, double, single] = new RegExp(`\\s${name}=(?:"([^"]*)"|'([^']*)')`, 'i').exec(tag) ?? [];
  const value = double ?? single;
  return value?.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (entity) => entities[entity] ?? entity);
}

const entities: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&#x27;': "'",
};
