/** The candidate within two typing errors of a word, or `undefined` if there is none. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const lowered = word.toLowerCase();
  const [best] = candidates
    .map((candidate) => ({ candidate, distance: distance(lowered, candidate.toLowerCase()) }))
    .toSorted((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.min(2, Math.floor(word.length / 3))
    ? best.candidate
    : undefined;
}

/** The Levenshtein distance, computed row by row. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
