/** A random source: returns an integer from 0 to `limit - 1`. */
export type Random = (limit: number) => number;

/** A deterministic random source for a seed (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * limit);
  };
}

/** Characters that are special to many parsers. */
const common = [...' \t\r\n\0;,=&?#/\\%"\'()[]{}<>:.-_+*~@!$^`|a0\xa0\xad\xe9\xff\u{130}\u{212a}'];

/** A copy of an input with a few random changes. */
export function mutated(
  input: string,
  others: readonly string[],
  words: readonly string[],
  mostCharacters: number,
  random: Random,
): string {
  let text = input;
  for (let changes = 1 + random(4); changes > 0; changes -= 1)
    text = changed(text, others, words, random);
  // Rarely stretched to the limit, where quadratic work becomes visible.
  if (random(60) === 0) text = stretched(text, mostCharacters, random);
  return text.slice(0, mostCharacters);
}

function changed(
  text: string,
  others: readonly string[],
  words: readonly string[],
  random: Random,
): string {
  const at = random(text.length + 1);
  const [before, after] = [text.slice(0, at), text.slice(at)];
  const one = (list: readonly string[]) => list[random(list.length)] ?? '';
  switch (random(8)) {
    case 0:
      return before + one(common) + after;
    case 1:
      return before + one(words) + after;
    case 2:
      return before + after.slice(1 + random(4));
    case 3:
      return before + String.fromCharCode(random(256)) + after.slice(1);
    case 4: {
      const other = one(others);
      return before + other.slice(random(other.length + 1));
    }
    case 5: {
      const part = after.slice(0, 1 + random(12));
      return before + part.repeat(1 + random(5)) + after;
    }
    case 6:
      return before + percentEncoded(after.slice(0, 1)) + after.slice(1);
    default:
      return before + (random(2) ? after.toUpperCase() : after.toLowerCase());
  }
}

/** Repeats a part of the text. */
function stretched(text: string, most: number, random: Random): string {
  const start = random(text.length + 1);
  const part = text.slice(start, start + 1 + random(6)) || ' ';
  const room = Math.max(0, most - text.length);
  const many = part.repeat(Math.floor(room / part.length));
  return text.slice(0, start) + many + text.slice(start);
}

function percentEncoded(character: string): string {
  return Array.from(Buffer.from(character), (byte) => `%${byte.toString(16)}`).join('');
}
