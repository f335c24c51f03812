/**
 * Returns the normalized form of a header name: lower case, with hyphens for underscores. Many
 * servers give applications both spellings under one name (CVE-2025-64484).
 */
export function spelling(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/**
 * Returns the normalized names in a `Connection` header, or `undefined` if it names none.
 * "Intermediaries MUST parse a received Connection header field … and remove any header field with
 * that name" (RFC 9110 §7.6.1).
 */
export function namedByConnection(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close')
    return undefined;
  const names = String(connection).split(',');
  return new Set(names.map((name) => spelling(name.trim())).filter(Boolean));
}

/** Results for longer names are not cached. */
const longestRemembered = 100;

/**
 * Caches the result of `judge` by header name. Clients choose the names, so only a limited number
 * of short ones is cached.
 */
export function remembered<Judgement>(
  judge: (name: string) => Judgement,
): (name: string) => Judgement {
  const judgements = new Map<string, Judgement>();
  return (name) => {
    const known = judgements.get(name);
    if (known !== undefined) return known;
    const judgement = judge(name);
    if (judgements.size < 1_000 && name.length <= longestRemembered)
      judgements.set(name, judgement);
    return judgement;
  };
}
