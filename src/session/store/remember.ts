/** Adds an entry to a map as its newest. Removes the oldest if there are then more than `most`. */
export function remember<Key, Value>(
  map: Map<Key, Value>,
  key: Key,
  value: Value,
  most: number,
): void {
  // Deleted first, so that the entry moves to the end: a map keeps insertion order.
  map.delete(key);
  map.set(key, value);
  if (map.size <= most) return;
  for (const oldest of map.keys()) return void map.delete(oldest);
}
