const millisecondsPer = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const bytesPer = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const;

/**
 * Parses `500ms`, `10s`, `30m`, `8h` or `7d` to milliseconds. `undefined` for anything else,
 * including a number without a unit.
 */
export function parseDuration(text: string): number | undefined {
  return parseUnits(text, millisecondsPer);
}

/** Parses `64kb`, `50mb`, `1gb` (1024-based) or a number to bytes, else `undefined`. */
export function parseSize(text: string): number | undefined {
  return parseUnits(/^\d+$/.test(text.trim()) ? `${text.trim()}b` : text, bytesPer);
}

function parseUnits(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, count, unit] = /^\s*(\d{1,15})\s*([a-z]+)\s*$/i.exec(text) ?? [];
  const factor = unit && units[unit.toLowerCase()];
  if (!count || !factor) return undefined;
  const total = Number(count) * factor;
  return Number.isSafeInteger(total) ? total : undefined;
}
