/** The addon's selection beside its definition in TypeScript: the same masks, whatever the scores, the masks and the threads. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findAddon } from '../../src/backend/native/addon.js';
import { nativeTopK, nativeTopKAsync } from '../../src/backend/native/top-k.js';
import { atOnce } from '../../src/pieces.js';
import { countKept, maskBytes } from '../../src/prune/masks.js';
import { selectTopK, selectTopKAsync } from '../../src/prune/select.js';
import { selectPlainly } from '../../src/prune/select-plainly.js';
import { uniform } from '../support/random.js';

const seed = Number(process.env.PX_SEED ?? 20240618);

/** What scores may look like; all zero and all equal are among them, -0 too. */
const KINDS: Record<string, (random: number) => number> = {
  spread: (r) => 10 ** (60 * r - 40),
  near: (r) => 1 + r * 1e-3,
  tied: (r) => Math.floor(r * 4) / 4,
  equal: () => 0.125,
  zero: (r) => (r < 0.5 ? 0 : -0),
  tiny: (r) => Math.floor(r * 5) * 1.401298464324817e-45,
  largest: (r) => (r < 0.5 ? 3.4028234663852886e38 : 3.402823e38),
};

interface Problem {
  readonly kind: string;
  readonly sizes: readonly number[];
  readonly density: number;
  /** Of what can be kept beyond the floor. */
  readonly share: number;
  readonly floor: number;
  readonly threads: number;
  readonly seed: number;
}

const problem: fc.Arbitrary<Problem> = fc.record({
  kind: fc.constantFrom(...Object.keys(KINDS)),
  sizes: fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 6 }),
  density: fc.constantFrom(0, 0.02, 0.3, 0.6, 0.99, 1),
  share: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })),
  floor: fc.constantFrom(0, 0, 1, 17),
  threads: fc.constantFrom(1, 2, 5),
  seed: fc.nat(1e6),
});

/** Views that start inside a buffer; the bits behind the last weight are set at random. */
function make({ kind, sizes, density, seed: s }: Problem) {
  const random = uniform(s);
  const scores = sizes.map((size) => Float32Array.from({ length: size + 1 }, () => KINDS[kind]!(random())));
  const bits = () => Array.from({ length: 8 }, (_, b) => (random() < density ? 1 << b : 0));
  const byte = () => bits().reduce((sum, bit) => sum + bit, 0);
  const alive = sizes.map((size) => Uint8Array.from({ length: maskBytes(size) + 1 }, byte).subarray(1));
  return { scores: scores.map((x) => x.subarray(1)), alive };
}

/** k between what the floor takes and what there is. */
function between(scores: Float32Array[], alive: Uint8Array[], { share, floor }: Problem): number {
  const counts = alive.map((mask, t) => {
    const copy = mask.slice();
    const used = scores[t]!.length % 8;
    if (used !== 0) copy[copy.length - 1]! &= (1 << used) - 1;
    return countKept(copy);
  });
  const least = counts.reduce((sum, count) => sum + Math.min(floor, count), 0);
  return least + Math.round(share * (counts.reduce((a, b) => a + b, 0) - least));
}

it('there is an addon to compare', () => expect(findAddon()).toBeDefined());

describe(`native selection (PX_SEED=${seed})`, () => {
  it('equals its definition', async () => {
    await fc.assert(
      fc.asyncProperty(problem, async (p) => {
        const { scores, alive } = make(p);
        const k = between(scores, alive, p);
        const expected = atOnce(selectPlainly(scores, alive, k, { floor: p.floor }));
        const task = { scores, alive, k, floor: p.floor, threads: p.threads };
        expect(nativeTopK(task)).toEqual(expected);
        expect(await nativeTopKAsync(task, undefined)).toEqual(expected);
      }),
      { seed, numRuns: 500 },
    );
  });

  it.each(Object.keys(KINDS))('of %s scores in many pieces does not depend on the threads', (kind) => {
    const sizes = [3, 400_003, 64, 131_072, 250_001];
    for (const density of [1, 0.5, 0.01]) {
      const p = { kind, sizes, density, share: 0.37, floor: 0, threads: 1, seed };
      const { scores, alive } = make(p);
      const k = between(scores, alive, p);
      const expected = atOnce(selectPlainly(scores, alive, k, {}));
      for (const threads of [1, 2, 7]) {
        const kept = nativeTopK({ scores, alive, k, floor: 0, threads })!;
        kept.forEach((mask, t) => expect(Buffer.compare(mask, expected[t]!)).toBe(0));
      }
    }
  });

  it('finds none where there is none, and selectTopK says why', async () => {
    const alive = [Uint8Array.of(0xff), Uint8Array.of(0xff)];
    const bad = [Number.NaN, -Number.NaN, -1e-45, -1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const value of bad) {
      const scores = [new Float32Array(8), Float32Array.of(1, -0, 3, value)];
      const names = ['a', 'b'];
      const error = { code: 'ERR_NUMERIC', message: expect.stringMatching(/^score 3 of tensor 'b'/) };
      for (const floor of [0, 2]) {
        expect(nativeTopK({ scores, alive, k: 5, floor })).toBeUndefined();
        expect(() => selectTopK(scores, alive, 5, { floor, names })).toThrow(expect.objectContaining(error));
        await expect(selectTopKAsync(scores, alive, 5, { floor, names })).rejects.toMatchObject(error);
      }
    }
    const scores = [new Float32Array(8), new Float32Array(4)];
    for (const [k, floor] of [
      [13, 0],
      [2 ** 40, 0],
      [Number.MAX_VALUE, 0],
      [7, 4],
      [1.5, 0],
      [-1, 0],
      [1, -1],
      [1, 0.5],
    ] as const) {
      expect(nativeTopK({ scores, alive, k, floor })).toBeUndefined();
      await expect(selectTopKAsync(scores, alive, k, { floor })).rejects.toMatchObject({
        code: 'ERR_OPTION',
      });
    }
  });

  it('reads shared arrays and leaves tensors without part alone', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(4 * 9));
    shared.set([9, 8, 7, 6, 5, 4, 3, 2, 1]);
    const scores = [shared, Float32Array.of(1, Number.NaN)];
    const alive = [Uint8Array.of(0xff, 0xff), Uint8Array.of(0xfe)];
    const options = { takesPart: [true, false], signal: new AbortController().signal };
    const expected = [Uint8Array.of(0b111, 0), Uint8Array.of(0b10)];
    expect(selectTopK(scores, alive, 3, options)).toEqual(expected);
    expect(await selectTopKAsync(scores, alive, 3, options)).toEqual(expected);
  });

  it('stops when the signal fires, before, meanwhile or at the end', async () => {
    const scores = [new Float32Array(2 ** 21)];
    const alive = [new Uint8Array(2 ** 18).fill(0xff)];
    const stopped = expect.objectContaining({ code: 'ERR_ABORTED' });
    const { signal } = new AbortController();
    expect(countKept((await selectTopKAsync(scores, alive, 99, { signal }))[0]!)).toBe(99);
    const before = AbortSignal.abort();
    await expect(selectTopKAsync(scores, alive, 99, { signal: before })).rejects.toEqual(stopped);
    const controller = new AbortController();
    const running = selectTopKAsync(scores, alive, 99, { signal: controller.signal });
    controller.abort();
    await expect(running).rejects.toEqual(stopped);
  });

  it('notices an array that is transferred meanwhile', async () => {
    const scores = [new Float32Array(2 ** 20)];
    const alive = [new Uint8Array(2 ** 17).fill(0xff)];
    const running = selectTopKAsync(scores, alive, 99, {});
    const moved = structuredClone(alive[0]!, { transfer: [alive[0]!.buffer as ArrayBuffer] });
    await expect(running).rejects.toMatchObject({ code: 'ERR_STATE' });
    expect(moved.length).toBe(2 ** 17);
  });

  it('treats denormals on the calling thread as JavaScript does', () => {
    selectTopK([new Float32Array(8)], [Uint8Array.of(0xff)], 3);
    const smallest = new Float64Array([Number.MIN_VALUE]);
    expect(smallest[0]! * 4).toBe(2 ** -1072);
  });
});
