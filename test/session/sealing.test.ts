import { randomBytes } from 'node:crypto';
import { Sealing } from '../../src/session/store/sealing.ts';

const secret = (n: number) => `session secret number ${n}, long enough to be one`;
const sealing = new Sealing([secret(1)]);

describe('sealing', () => {
  it.each(['', 'text', '🍪 \u0000', 'x'.repeat(100_000)])('opens what it sealed (%#)', (text) => {
    expect(sealing.open(sealing.seal(text, 'label'), 'label')).toBe(text);
  });

  it('never seals the same text to the same value, and shows nothing of it', () => {
    const sealed = Array.from({ length: 100 }, () => sealing.seal('the same canary', 'label'));
    expect(new Set(sealed).size).toBe(100);
    expect(sealed[0]).toMatch(/^[\w-]+$/);
    const bytes = Buffer.from(sealed[0] ?? '', 'base64url');
    expect(bytes.includes('canary')).toBe(false);
  });

  it('does not open under another label: a value moved to another key is worth nothing', () => {
    const [mine, yours] = [sealing.seal('mine', 'key:1'), sealing.seal('yours', 'key:2')];
    expect(sealing.open(yours, 'key:1')).toBeUndefined();
    expect(sealing.open(mine, 'key:2')).toBeUndefined();
    expect(sealing.open(mine, 'key:1')).toBe('mine');
  });

  it('opens with every secret of the ring and seals with the newest', () => {
    const before = sealing.seal('before', 'label');
    const rotated = new Sealing([secret(2), secret(1)]);
    expect(rotated.open(before, 'label')).toBe('before');
    const after = rotated.seal('after', 'label');
    expect(new Sealing([secret(2)]).open(after, 'label')).toBe('after');
    expect(sealing.open(after, 'label')).toBeUndefined();
  });

  it('does not open what a secret that is gone has sealed', () => {
    expect(new Sealing([secret(2)]).open(sealing.seal('text', 'label'), 'label')).toBeUndefined();
  });

  it('does not open a value of which any single bit was changed', () => {
    const bytes = Buffer.from(sealing.seal('a text of some length', 'label'), 'base64url');
    for (let position = 0; position < bytes.length; position += 1) {
      const tampered = Buffer.from(bytes);
      tampered.writeUInt8(tampered.readUInt8(position) ^ 1, position);
      expect(sealing.open(tampered.toString('base64url'), 'label')).toBeUndefined();
    }
  });

  it('does not open a value that was cut short or grew', () => {
    const sealed = sealing.seal('a text of some length', 'label');
    const bytes = Buffer.from(sealed, 'base64url');
    for (let length = 0; length < bytes.length; length += 1) {
      const cut = bytes.subarray(0, length).toString('base64url');
      expect(sealing.open(cut, 'label')).toBeUndefined();
    }
    expect(sealing.open(`${sealed}AAAA`, 'label')).toBeUndefined();
  });

  it.each([
    '',
    'null',
    '{}',
    '{"signedIn":{}}',
    'not base64 ☃',
    'A'.repeat(43),
    randomBytes(200).toString('base64url'),
  ])('does not open foreign garbage: %s', (garbage) => {
    expect(sealing.open(garbage, 'label')).toBeUndefined();
  });

  it('needs a secret', () => {
    expect(() => new Sealing([])).toThrow('at least one secret');
  });
});
