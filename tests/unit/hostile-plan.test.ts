/** The engine's own check of a Plan: what no kernel tests again. Each of these Plans would lead one out of bounds. */
import { describe, expect, it } from 'vitest';
import { cpuBackend } from '../../src/backend/native/cpu.js';
import type { LinearStep, Plan, Step } from '../../src/plan/plan.js';
import { PlanMaker, randomStream } from '../support/plan-maker.js';

const OPTIONS = { method: 'px', norm: 'batch', threads: 1 } as const;

interface Parts {
  plan: Plan;
  weights: Float32Array[];
}

/** conv → relu → pool → concat with itself's sibling → dense: every kind of thing that can be broken. */
function network(): Parts {
  const maker = new PlanMaker([2, 8, 8], randomStream(3));
  const a = maker.leaky(maker.conv(0, 4, { pad: 1 }), 0);
  const b = maker.batchNorm(maker.conv(a, 4, { pad: 1 }));
  const pooled = maker.maxPool(maker.concat([a, b]), 2);
  maker.output(maker.dense(maker.flatten(maker.averagePool(pooled, 2)), 3));
  return { plan: maker.plan(), weights: maker.weights };
}

/** The network with its first step of an op replaced. */
function broken(op: Step['op'], change: (step: never) => object): Parts {
  const { plan, weights } = network();
  const at = plan.steps.findIndex((step) => step.op === op);
  expect(at).toBeGreaterThanOrEqual(0);
  const steps = plan.steps.map((step, i) =>
    i === at ? ({ ...step, ...change(step as never) } as Step) : step,
  );
  return { plan: { ...plan, steps }, weights };
}

type Of<Op> = Extract<Step, { op: Op }>;
const conv = (change: (step: LinearStep) => object) => broken('conv', change as never);

const CASES: readonly [string, () => Parts][] = [
  [
    'an output layout that writes the same element twice',
    () => conv((s) => ({ outLayout: { ...s.outLayout, channelStride: 0 } })),
  ],
  [
    'an input layout with a gap',
    () => conv((s) => ({ inLayout: { channelStride: s.inLayout.channelStride, spatialStrides: [16, 1] } })),
  ],
  [
    'a weight view that names a weight twice',
    () => conv((s) => ({ weight: { ...s.weight, outStride: s.weight.inStride } })),
  ],
  [
    'taps beyond the weight',
    () => conv((s) => ({ spatial: s.spatial.map((axis) => ({ ...axis, taps: 4 })) })),
  ],
  [
    'taps whose product overflows',
    () =>
      conv((s) => ({
        spatial: s.spatial.map((axis) => ({ ...axis, taps: 2 ** 16 + 1 })),
        weight: { ...s.weight, tapStrides: [0, 0] },
      })),
  ],
  ['channels whose product overflows', () => conv(() => ({ groups: 2 ** 31, inChannels: 2 ** 31 }))],
  [
    'two inputs of a step with one',
    () => broken('activation', ((s: Of<'activation'>) => ({ inputs: [...s.inputs, 0] })) as never),
  ],
  ['a part joined twice', () => broken('concat', (() => ({ parts: [0, 0] })) as never)],
  ['an input that is no part', () => broken('concat', (() => ({ parts: [0] })) as never)],
  ['axes out of order', () => broken('max', ((s: Of<'max'>) => ({ axes: [...s.axes].reverse() })) as never)],
  [
    'an axis mapped twice',
    () => broken('fixed', ((s: Of<'fixed'>) => ({ axes: [s.axes[0], s.axes[0]] })) as never),
  ],
  [
    'an index outside its axis',
    () =>
      broken('max', ((s: Of<'max'>) => ({
        axes: s.axes.map((map) => ({ ...map, index: map.index.map((i) => i + 1) })),
      })) as never),
  ],
  [
    'statistics for fewer channels',
    () => broken('batch', ((s: Of<'batch'>) => ({ mean: s.mean.subarray(1) })) as never),
  ],
  [
    'a layer norm whose scale reaches beyond the axes it normalises',
    () =>
      broken('batch', (() => ({
        op: 'layer',
        axes: 1,
        scale: { shape: [4, 8, 8], data: new Float32Array(256) },
        bias: undefined,
      })) as never),
  ],
  [
    'a value of f alone on a path',
    () => broken('activation', (() => ({ kind: 'f-only', op: 'unary', fn: 'sigmoid' })) as never),
  ],
  ['an unknown function', () => broken('activation', (() => ({ fn: 'no such function' })) as never)],
];

describe('a Plan that would lead a kernel out of bounds', () => {
  it('as a whole network is fine', async () => {
    const { plan, weights } = network();
    const program = await cpuBackend().compile(plan, weights, OPTIONS);
    program.dispose();
  });

  it.each(CASES)('with %s is refused', async (_, make) => {
    const { plan, weights } = make();
    await expect(cpuBackend().compile(plan, weights, OPTIONS)).rejects.toMatchObject({
      code: 'ERR_BACKEND',
      message: expect.stringContaining('malformed plan'),
    });
  });

  it('with a value without elements is refused', async () => {
    const { plan, weights } = network();
    const values = plan.values.map((value, i) => (i === 2 ? { ...value, shape: [0] } : value));
    await expect(cpuBackend().compile({ ...plan, values }, weights, OPTIONS)).rejects.toMatchObject({
      code: 'ERR_BACKEND',
    });
  });
});
