import { keysForOwners, slotCount, slotOf } from '../../src/session/store/redis/slots.ts';

it.each([
  ['123456789', 12_739],
  ['foo', 12_182],
  ['bar', 5061],
  ['foo{bar}', 5061],
  ['{bar}:more', 5061],
  ['foo{}{bar}', 8363],
  ['foo{{bar}}zap', 4015],
  ['foo{bar}{zap}', 5061],
])('the slot of %s is what CLUSTER KEYSLOT says', (key, slot) => {
  expect(slotOf(key)).toBe(slot);
});

describe('keys for the owners of slots', () => {
  const owners = Array.from({ length: slotCount }, (_, slot) => `master ${slot % 3}`);

  it('are one for each owner', () => {
    const keys = keysForOwners('bff:probe', owners);
    expect([...keys.keys()].toSorted()).toEqual(['master 0', 'master 1', 'master 2']);
    for (const [owner, key] of keys) expect(owners[slotOf(key)]).toBe(owner);
  });

  it('are one in all when the prefix has a hash tag, because no other slot is ever used', () => {
    expect([...keysForOwners('{bff}:probe', owners).keys()]).toEqual([owners[slotOf('bff')]]);
  });
});
