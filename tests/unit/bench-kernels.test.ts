import { describe, expect, it } from 'vitest';
import { timeStep } from '../../src/backend/native/time-step.js';
import { type KernelTiming, layersOf, sumOf, timeKernel, verifyStep } from '../../src/bench/kernels.js';
import { instructionSets } from '../../src/bench/machine.js';
import { inTurns, median } from '../../src/bench/sampling.js';
import { kernelMakers } from '../../src/bench/shapes.js';
import { uniformSource } from '../../src/models/random.js';
import { fullMask } from '../../src/prune/masks.js';
import { PlanMaker, randomStream } from '../support/plan-maker.js';

const PARTS = ['f', 'h', 'j', 'data-gradient', 'weight-gradient'] as const;

describe('linear steps by themselves', () => {
  const makers = kernelMakers(true);
  it.each(makers.map(({ name, make }) => [name, make] as const))(
    '%s: as their definition says',
    async (_, make) => {
      for (const isa of instructionSets()) {
        for (const samples of [1, 5, 17]) {
          const options = {
            isa,
            threads: 2,
            parts: PARTS,
            densities: [1, 0.6, 0.05],
            repeats: 2,
            seed: samples,
          };
          const timings = await timeKernel(make(samples, 7), options);
          expect(timings).toHaveLength(15);
          for (const { seconds } of timings) expect(seconds.every((value) => value > 0)).toBe(true);
        }
      }
    },
  );

  it('transposed ones, too, and dense ones along an axis', async () => {
    const transposed = new PlanMaker([4, 7, 6], randomStream(5));
    transposed.output(transposed.conv(0, 6, { stride: 2, pad: 1, groups: 2, transposed: true, bias: true }));
    const dense = new PlanMaker([5, 24], randomStream(6));
    dense.output(dense.dense(0, 9, { alpha: -0.5, bias: true }));
    // So many samples that a dense layer is computed as a convolution is.
    const head = new PlanMaker([64], randomStream(8));
    head.output(head.dense(0, 10, { bias: true }));
    for (const [maker, samples] of [
      [transposed, 9],
      [dense, 9],
      [head, 70],
    ] as const) {
      const [layer] = layersOf({ plan: maker.plan(), weights: maker.weights }, samples);
      expect(layer).toMatchObject({ signal: true, samples });
      await timeKernel(layer!, { threads: 1, parts: PARTS, densities: [1, 0.3], repeats: 1, seed: 2 });
    }
  });

  it('a wrong number is noticed', async () => {
    const { name, step, weights } = makers[0]!.make(1, 7);
    const x = new Float32Array(16 * 14 * 14).fill(0.5);
    const problem = {
      step,
      part: 'f' as const,
      weights,
      mask: fullMask(weights.length),
      samples: 1,
      x,
      d: x,
    };
    const { result } = await timeStep(problem, { threads: 1 }, 1);
    verifyStep(name, problem, result, uniformSource(1));
    const wrong = (change: (value: number) => number) => () =>
      verifyStep(name, problem, result.map(change), uniformSource(1));
    expect(wrong((value) => value + 1e-4)).toThrow('not measured, for the result is wrong: f of 3×3');
    expect(wrong((value) => (value > 1 ? Number.NaN : value))).toThrow('instead of a number');
  });

  it('add up by part and density', () => {
    const timing = { name: 'a', part: 'f', density: 0.5, threads: 1, samples: 1 } as const;
    const steps: KernelTiming[] = [
      { ...timing, kept: 0.5, denseFlop: 30, seconds: [1, 2] },
      { ...timing, kept: 0.7, denseFlop: 10, seconds: [3, 1] },
      { ...timing, part: 'h', kept: 0.5, denseFlop: 30, seconds: [5, 5] },
    ];
    const [f, h] = sumOf(steps, 'all');
    expect(f).toMatchObject({ name: 'all', part: 'f', denseFlop: 40, seconds: [4, 3] });
    expect(f!.kept).toBeCloseTo(0.55);
    expect(h).toMatchObject({ part: 'h', seconds: [5, 5] });
  });
});

describe('sampling', () => {
  it('takes turns', async () => {
    const order: string[] = [];
    const samples = await inTurns(
      ['a', 'b'].map((name) => async () => order.push(name)),
      3,
    );
    expect(order.join('')).toBe('ababab');
    expect(samples).toEqual([
      [1, 3, 5],
      [2, 4, 6],
    ]);
  });

  it('stops when told to', async () => {
    await expect(inTurns([async () => 1], 3, AbortSignal.abort())).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  });

  it('knows the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });
});
