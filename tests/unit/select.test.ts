import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countKept, fullMask, packMask, unpackMask } from '../../src/prune/masks.js';
import { selectTopK } from '../../src/prune/select.js';

/** Sort everything by score, then tensor, then index; keep the first k. */
function selectNaively(scores: Float32Array[], alive: Uint8Array[], k: number): number[][] {
  const all = scores.flatMap((s, t) =>
    [...s].map((value, j) => ({ value, t, j })).filter(({ j }) => alive[t]![j] === 1),
  );
  all.sort((a, b) => b.value - a.value || a.t - b.t || a.j - b.j);
  const kept = scores.map((s) => [...s].map(() => 0));
  for (const { t, j } of all.slice(0, k)) kept[t]![j] = 1;
  return kept;
}

function select(scores: Float32Array[], alive: Uint8Array[], k: number, options = {}): number[][] {
  return selectTopK(scores, alive.map(packMask), k, options).map((mask, t) => [
    ...unpackMask(mask, scores[t]!.length),
  ]);
}

/** Few distinct values, so that ties are the rule; some tensors empty, some weights dead. */
const tied = fc.constantFrom(0, 1e-45, 1.17549435e-38, 1e-30, 0.5, Math.fround(0.1), 1, 3.4e38);
const anyScore = fc.oneof(tied, fc.float({ min: 0, noNaN: true, noDefaultInfinity: true }));
const tensor = fc.array(fc.tuple(anyScore, fc.constantFrom(0, 1, 1)), { maxLength: 40 });
const problem = fc.array(tensor, { minLength: 1, maxLength: 6 }).map((tensors) => ({
  scores: tensors.map((t) => Float32Array.from(t, ([score]) => score)),
  alive: tensors.map((t) => Uint8Array.from(t, ([, live]) => live)),
}));
const seed = Number(process.env.PX_SEED ?? 20240617);

describe(`selectTopK (PX_SEED=${seed})`, () => {
  it('equals sorting, ties included', () => {
    fc.assert(
      fc.property(problem, fc.double({ min: 0, max: 1, noNaN: true }), ({ scores, alive }, share) => {
        const total = alive.reduce((sum, mask) => sum + countKept(packMask(mask)), 0);
        const k = Math.round(share * total);
        expect(select(scores, alive, k)).toEqual(selectNaively(scores, alive, k));
      }),
      { seed, numRuns: 500 },
    );
  });

  it('keeps a floor in every tensor and the best of the rest', () => {
    fc.assert(
      fc.property(
        problem,
        fc.nat(5),
        fc.double({ min: 0, max: 1, noNaN: true }),
        ({ scores, alive }, floor, share) => {
          const counts = alive.map((mask) => countKept(packMask(mask)));
          const forced = counts.map((count) => Math.min(count, floor));
          const least = forced.reduce((a, b) => a + b, 0);
          const k = least + Math.round(share * (counts.reduce((a, b) => a + b, 0) - least));
          const best = scores.map((s, t) => selectNaively([s], [alive[t]!], forced[t]!)[0]!);
          const rest = alive.map((mask, t) => mask.map((live, j) => live & (1 - best[t]![j]!)));
          const others = selectNaively(scores, rest, k - least);
          const expected = best.map((kept, t) => kept.map((value, j) => value | others[t]![j]!));
          expect(select(scores, alive, k, { floor })).toEqual(expected);
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  it('breaks ties by tensor order, then flat index', () => {
    const scores = [new Float32Array(9).fill(0.25), new Float32Array(9).fill(0.25)];
    const kept = select(scores, [new Uint8Array(9).fill(1), new Uint8Array(9).fill(1)], 11);
    expect(kept).toEqual([Array(9).fill(1), [1, 1, 0, 0, 0, 0, 0, 0, 0]]);
  });

  it('keeps exactly k where all scores are zero, and treats -0 as 0', () => {
    const scores = [Float32Array.of(0, -0, 0, -0), Float32Array.of(-0, 0)];
    const alive = [Uint8Array.of(1, 1, 1, 1), Uint8Array.of(1, 1)];
    expect(select(scores, alive, 3)).toEqual([
      [1, 1, 1, 0],
      [0, 0],
    ]);
    expect(select(scores, alive, 0)).toEqual([
      [0, 0, 0, 0],
      [0, 0],
    ]);
    expect(select(scores, alive, 6)).toEqual([
      [1, 1, 1, 1],
      [1, 1],
    ]);
  });

  it('handles a single weight', () => {
    expect(select([Float32Array.of(0.5)], [Uint8Array.of(1)], 1)).toEqual([[1]]);
    expect(select([Float32Array.of(0.5)], [Uint8Array.of(1)], 0)).toEqual([[0]]);
  });

  it('never brings a pruned weight back, whatever its score', () => {
    const scores = [Float32Array.of(Number.NaN, 1, Number.POSITIVE_INFINITY, 2)];
    expect(select(scores, [Uint8Array.of(0, 1, 0, 1)], 2)).toEqual([[0, 1, 0, 1]]);
  });

  it('leaves tensors that take no part as they are', () => {
    const scores = [Float32Array.of(9, 9), Float32Array.of(1, 2)];
    const alive = [Uint8Array.of(1, 0), Uint8Array.of(1, 1)];
    expect(select(scores, alive, 1, { takesPart: [false, true] })).toEqual([
      [1, 0],
      [0, 1],
    ]);
  });

  it.each([Number.NaN, -1e-45, -1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'refuses a score of %d',
    (bad) => {
      const scores = [Float32Array.of(1, 2), Float32Array.of(1, bad, 3)];
      const alive = [Uint8Array.of(1, 1), Uint8Array.of(1, 1, 1)];
      for (const k of [0, 2, 5]) {
        expect(() => select(scores, alive, k, { names: ['a', 'layer1.weight'] })).toThrow(
          expect.objectContaining({
            code: 'ERR_NUMERIC',
            message: expect.stringMatching(/score 1 of tensor 'layer1\.weight'/),
          }),
        );
      }
    },
  );

  it.each([-1, 4, 1.5, Number.NaN])('refuses to keep %d of 3 weights', (k) => {
    expect(() => selectTopK([new Float32Array(3)], [fullMask(3)], k)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION' }),
    );
  });

  it('refuses floors that do not fit, and masks of another length', () => {
    const scores = [new Float32Array(3), new Float32Array(3)];
    const alive = [fullMask(3), fullMask(3)];
    const option = expect.objectContaining({ code: 'ERR_OPTION' });
    expect(() => selectTopK(scores, alive, 3, { floor: 2 })).toThrow(option);
    expect(() => selectTopK(scores, alive, 3, { floor: -1 })).toThrow(option);
    expect(() => selectTopK(scores, [fullMask(3)], 3)).toThrow(option);
    expect(() => selectTopK(scores, [fullMask(3), fullMask(9)], 3)).toThrow(option);
  });

  it('changes neither scores nor masks, and reads views that start inside a buffer', () => {
    const scores = Float32Array.of(7, 1, 2, 3).subarray(1);
    const alive = Uint8Array.of(0xff, 0xff).subarray(1);
    expect([...selectTopK([scores], [alive], 2)[0]!]).toEqual([0b110]);
    expect([...scores]).toEqual([1, 2, 3]);
    expect([...alive]).toEqual([0xff]);
  });
});
