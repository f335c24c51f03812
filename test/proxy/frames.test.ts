import * as fc from 'fast-check';
import { closeFrame, FrameBoundary } from '../../src/proxy/forward/frames.ts';

interface Frame {
  readonly opcode: number;
  readonly length: number;
  readonly masked: boolean;
}

const frame = fc.record({
  opcode: fc.constantFrom(0, 1, 2, 9, 10),
  length: fc.oneof(
    fc.nat(130),
    fc.constantFrom(125, 126, 127, 255, 256, 65_535, 65_536, 65_537, 100_000),
  ),
  masked: fc.boolean(),
});

/** Payload bytes look like headers themselves. */
function bytesOf({ opcode, length, masked }: Frame): Buffer {
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const head = Buffer.alloc(2 + extended + (masked ? 4 : 0), 0x88);
  head[0] = 0x80 | opcode;
  head[1] = (masked ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.alloc(length, 0x88)]);
}

function inPieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, next = 0; at < bytes.length; next += 1) {
    const size = sizes[next % sizes.length] ?? 1;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

const pieceSizes = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 });

describe('the boundary of frames', () => {
  it('is reached at the end of each frame only, however the frames are split', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), pieceSizes, (frames, sizes) => {
        const boundary = new FrameBoundary();
        const ends = new Set([0]);
        let total = 0;
        for (const one of frames) ends.add((total += bytesOf(one).length));
        let passed = 0;
        for (const piece of inPieces(Buffer.concat(frames.map(bytesOf)), sizes)) {
          passed += boundary.advance(piece);
          expect(boundary.isReached).toBe(ends.has(passed));
        }
        expect([passed, boundary.hasClosed]).toEqual([total, false]);
      }),
    );
  });

  it('is where a piece is cut when it has to be', () => {
    fc.assert(
      fc.property(frame, frame, fc.nat(), (first, second, seed) => {
        const boundary = new FrameBoundary();
        const bytes = bytesOf(first);
        const begun = 1 + (seed % bytes.length);
        boundary.advance(bytes.subarray(0, begun));
        const rest = Buffer.concat([bytes.subarray(begun), bytesOf(second)]);
        expect(boundary.advance(rest, true)).toBe(bytes.length - begun);
        expect(boundary.isReached).toBe(true);
      }),
    );
  });

  it('knows when a close frame has begun', () => {
    const boundary = new FrameBoundary();
    boundary.advance(closeFrame(1001, true).subarray(0, 1));
    expect([boundary.hasClosed, boundary.isReached]).toEqual([true, false]);
  });
});

describe('a close frame', () => {
  it('is the one of RFC 6455 §5.5.1', () => {
    expect([...closeFrame(4401, false)]).toEqual([0x88, 2, 0x11, 0x31]);
  });

  it('is masked when a client sends it, with a key of its own', () => {
    const [opcode, length, ...rest] = closeFrame(1001, true);
    const [key, payload] = [rest.slice(0, 4), rest.slice(4)];
    expect([opcode, length]).toEqual([0x88, 0x82]);
    expect(payload.map((byte, index) => byte ^ (key[index] ?? 0))).toEqual([0x03, 0xe9]);
    expect(closeFrame(1001, true)).not.toEqual(closeFrame(1001, true));
  });
});
