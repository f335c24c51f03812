/**
 * Rows of cells as a table of Markdown, which reads as well on a terminal. Numbers stand to the
 * right.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0), title.length, 3),
  );
  const isText = head.map((_, column) => !rows.every((row) => isNumber(row[column] ?? '')));
  const line = (cells: readonly string[]) =>
    `| ${widths
      .map((width, column) => {
        const cell = cells[column] ?? '';
        return isText[column] ? cell.padEnd(width) : cell.padStart(width);
      })
      .join(' | ')} |`;
  const rule = widths.map((width, column) =>
    isText[column] ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** `1,234`, `≤ 60 MB` or `–`. */
function isNumber(cell: string): boolean {
  return /^([≤≥] )?(–|[\d.,]+)( [A-Za-z]+)?$/.test(cell);
}

/** A number as people read it; `–` for one that was not measured. */
export function shown(value: number | undefined, digits = 0): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  return value.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** Microseconds as milliseconds. */
export function milliseconds(microseconds: number | undefined): string {
  return shown(microseconds === undefined ? undefined : microseconds / 1000, 2);
}

/** Bytes as megabytes. */
export function megabytes(bytes: number | undefined, digits = 0): string {
  return shown(bytes === undefined ? undefined : bytes / 1e6, digits);
}
