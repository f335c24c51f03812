/** The number of hash slots in a Redis Cluster. */
export const slotCount = 16_384;

/**
 * Returns the slot of a key: CRC16 (XMODEM) of its hash tag. The hash tag is the text between the
 * first `{` and the next `}`, or the whole key if that text is empty or missing.
 */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc % slotCount;
}

/**
 * Returns one key per owner, each made of `key` and a suffix. Tries a thousand suffixes, so an
 * owner with few slots may be missing. Do not pass a key with a hash tag: its slot would not depend
 * on the suffix.
 */
export function keysForOwners(
  key: string,
  owners: readonly (string | undefined)[],
): ReadonlyMap<string, string> {
  const all = new Set(owners);
  const found = new Map<string, string>();
  for (let suffix = 0; suffix < 1000 && found.size < all.size; suffix += 1) {
    const candidate = `${key}:${suffix}`;
    const owner = owners[slotOf(candidate)];
    if (owner !== undefined && !found.has(owner)) found.set(owner, candidate);
  }
  return found;
}
