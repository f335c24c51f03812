/** Enters something into a map as its newest, and forgets the oldest beyond so many. */
export function remember<Key, Value>(
  map: Map<Key, Value>,
  key: Key,
  value: Value,
  most: number,
): void {
  // Taken out first, so that it stands last: the map's order is that of the times.
  map.delete(key);
  map.set(key, value);
  if (map.size <= most) return;
  for (const oldest of map.keys()) return void map.delete(oldest);
}
