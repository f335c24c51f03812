/** A form that a page submits by itself. */
export interface Form {
  readonly action: string;
  readonly fields: URLSearchParams;
}

/** The form that an HTML page submits without a click, as `response_mode=form_post` does; undefined when there is none. */
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

function attribute(tag: string, name: string): string | undefined {
  const value = new RegExp(`\\s${name}="([^"]*)"`, 'i').exec(tag)?.[1];
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
