import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countKept,
  forEachKept,
  fullMask,
  isKept,
  masksEqual,
  packMask,
  unpackMask,
} from '../../src/prune/masks.js';

const seed = Number(process.env.PX_SEED ?? 11);
const dense = fc.uint8Array({ max: 1, maxLength: 100 });

describe(`bit-packed masks (PX_SEED=${seed})`, () => {
  it('puts weight j into bit j mod 8 of byte j div 8, least significant first', () => {
    expect([...packMask(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 1))]).toEqual([0b1, 0b10]);
    expect([...fullMask(10)]).toEqual([0xff, 0b11]);
    expect([...fullMask(16)]).toEqual([0xff, 0xff]);
    expect(fullMask(0)).toHaveLength(0);
  });

  it('unpacks what it packed; counts, looks up and iterates the same bits', () => {
    fc.assert(
      fc.property(dense, (values) => {
        const mask = packMask(values);
        expect(unpackMask(mask, values.length)).toEqual(values);
        const kept = [...values.keys()].filter((j) => values[j] === 1);
        expect(countKept(mask)).toBe(kept.length);
        expect([...values.keys()].filter((j) => isKept(mask, j))).toEqual(kept);
        const visited: number[] = [];
        forEachKept(mask, (j) => visited.push(j));
        expect(visited).toEqual(kept);
      }),
      { seed },
    );
  });

  it('compares', () => {
    expect(masksEqual(fullMask(9), fullMask(9))).toBe(true);
    expect(masksEqual(fullMask(9), fullMask(10))).toBe(false);
    expect(masksEqual(fullMask(8), fullMask(9))).toBe(false);
  });
});
