/**
 * Returns the normalized form of a header name: lower case, with hyphens for underscores. Many
 * servers give applications both spellings under one name (CVE-2025-64484).
 */
export function normalizedName(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/**
 * Returns the normalized header names in a `Connection` header, or `undefined` if there are none.
 * "Intermediaries MUST parse a received Connection header field … and remove any header field with
 * that name" (RFC 9110 §7.6.1).
 */
export function connectionOptions(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close')
    return undefined;
  const names = String(connection).split(',');
  return new Set(names.map((name) => normalizedName(name.trim())).filter(Boolean));
}

/** The maximum length of a name whose result is cached. */
const maxCachedName = 100;

/**
 * Returns a function that caches the results of `decide` by header name. Clients choose the names,
 * so only a limited number of short ones is cached.
 */
export function cachedByName<Decision>(
  decide: (name: string) => Decision,
): (name: string) => Decision {
  const decisions = new Map<string, Decision>();
  return (name) => {
    const cached = decisions.get(name);
    if (cached !== undefined) return cached;
    const decision = decide(name);
    if (decisions.size < 1_000 && name.length <= maxCachedName) decisions.set(name, decision);
    return decision;
  };
}
