import { readFileSync, writeFileSync } from 'node:fs';
import { type Step, steps } from './steps.ts';

/** How it went with one server. */
export interface Row {
  readonly name: string;
  readonly version: string;
  /** Steps that are missing here are not the server's to do. */
  readonly outcomes: ReadonlyMap<Step, 'held' | 'failed'>;
}

/** A server that could not be had, and why. */
export interface Absence {
  readonly name: string;
  readonly reason: string;
}

const signs = { held: '✓', failed: '✗', absent: '–' } as const;
const [begin, end] = ['<!-- interop -->', '<!-- /interop -->'];

/** The table in Markdown, as Prettier would lay it out, and below it what could not be run. */
export function tableOf(rows: readonly Row[], absences: readonly Absence[]): string {
  const cells = [
    ['server', 'version', ...steps],
    ...rows.map(({ name, version, outcomes }) => [
      name,
      version,
      ...steps.map((step) => signs[outcomes.get(step) ?? 'absent']),
    ]),
  ];
  const missing = absences.map(({ name, reason }) => `- ${name} was not run: ${reason}.`);
  return [...aligned(cells), ...(missing.length > 0 ? ['', ...missing] : [])].join('\n');
}

function aligned([head = [], ...body]: readonly string[][]): string[] {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...body].map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)];
}

/** Puts the table between its two marks in a page, which must be there. */
export function writeTable(page: URL, table: string): void {
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page.pathname} lacks ${begin} and ${end}`);
  const changed = `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`;
  writeFileSync(page, changed);
}
