import { LineCounter, parseDocument, type YAMLError } from 'yaml';
import type { Mistake } from '../mistakes.ts';
import { isBlock, mapStrings } from './tree.ts';

/**
 * Parses a YAML or JSON file. A key without a value counts as not set. Messages name the line but
 * never quote it, because the file may contain secrets.
 */
export function parseYaml(content: string): { tree: unknown; mistakes: Mistake[] } {
  const lineCounter = new LineCounter();
  const document = parseDocument(hideReferences(content), { lineCounter, prettyErrors: false });
  const mistakes = document.errors.map((error) => ({
    path: [],
    message: formatError(error, lineCounter),
  }));
  if (mistakes.length > 0) return { tree: {}, mistakes };
  try {
    return { tree: mapStrings(withoutNulls(document.toJS() ?? {}), showReferences), mistakes };
  } catch {
    const message = 'the file uses a YAML alias that leads nowhere or to too much; write it out';
    return { tree: {}, mistakes: [{ path: [], message }] };
  }
}

function formatError({ code, pos }: YAMLError, lineCounter: LineCounter): string {
  const { line, col } = lineCounter.linePos(pos[0]);
  const where = `line ${line}, column ${col}`;
  if (code === 'DUPLICATE_KEY') return `${where}: this key is there twice; remove one of them`;
  if (code === 'TAB_AS_INDENT') return `${where}: YAML is indented with blanks, not with tabs`;
  return `${where}: this is not valid YAML (${code.toLowerCase().replaceAll('_', ' ')})`;
}

/**
 * Replaces `${…}` by placeholders that YAML does not interpret, because a brace ends the plain
 * value in `{ token: ${TOKEN} }`. The length stays the same, so error columns stay correct.
 */
function hideReferences(content: string): string {
  return content.replaceAll(/\$\{([\w.]+)\}/g, '\uE000\uE001$1\uE002');
}

function showReferences(text: string): string {
  return text.replaceAll(/\uE000\uE001([\w.]+)\uE002/g, '${$1}');
}

function withoutNulls(tree: unknown): unknown {
  if (Array.isArray(tree)) return tree.map(withoutNulls);
  if (!isBlock(tree)) return tree ?? undefined;
  return Object.fromEntries(
    Object.entries(tree).flatMap(([key, value]) =>
      value === null ? [] : [[key, withoutNulls(value)]],
    ),
  );
}
