import { describe, expect, it } from 'vitest';
import { cutTensors } from '../../src/analysis/cut.js';
import { reportLayers } from '../../src/analysis/layers.js';
import { estimateMemory, largestMicroBatch } from '../../src/analysis/memory.js';
import { forwardMacs, roundMacs } from '../../src/analysis/work.js';
import type { Method } from '../../src/backend/backend.js';
import { newModel } from '../../src/models/new-model.js';
import { loadModel } from '../../src/plan/load.js';
import { scoreRound } from '../../src/prune/round.js';
import { backends } from '../support/backends.js';
import { denseModel } from '../support/dense-model.js';
import { uniform } from '../support/random.js';

const METHODS: Method[] = ['px', 'px-joint'];
const candidates = await backends();

describe('multiply-accumulates', () => {
  it('of a chain of dense layers are its weights', () => {
    const { plan } = denseModel([
      ['a', 13, 5],
      ['b', 7, 13],
    ]);
    expect(forwardMacs(plan)).toBe(13 * 5 + 7 * 13);
    expect(roundMacs(plan, 'px', 10)).toBe(25 * forwardMacs(plan));
    expect(roundMacs(plan, 'px-joint', 10)).toBe(40 * forwardMacs(plan));
  });

  it('of the known networks are the known ones', async () => {
    const { plan } = await loadModel(newModel('resnet20'));
    // 40.55 million in the convolutions of the CIFAR ResNet-20, 640 in its head; projections on the shortcuts add 0.26 million.
    expect(forwardMacs(plan) / 1e6).toBeCloseTo(40.81, 1);
  });
});

describe('memory estimate', () => {
  it('never shrinks as the micro-batch grows, and finds the largest that fits', async () => {
    const { plan } = await loadModel(newModel('resnet20'));
    for (const method of METHODS) {
      const totals = Array.from(
        { length: 40 },
        (_, i) => estimateMemory(plan, { method, microBatch: i + 1 }).total,
      );
      expect(totals).toEqual([...totals].sort((a, b) => a - b));
      for (const limit of [totals[0]! - 1, totals[0]!, totals[20]!, totals[39]! + 1]) {
        const fits = largestMicroBatch(plan, method, 40, limit);
        expect(fits).toBe(totals.filter((total) => total <= limit).length);
      }
    }
  });

  // The estimate is the CPU engine's; a GPU's backend says itself what it cannot hold.
  for (const { name, backend, missing } of candidates.filter((c) => c.name === 'cpu')) {
    it.skipIf(!backend).each([
      ['resnet20', 24],
      ['mobilenet_v2', 48],
    ] as const)(
      `on ${name}: %s takes no more, and not far less${missing ? ` (${missing})` : ''}`,
      async (network, size) => {
        const { plan, weights } = await loadModel(newModel(network, { size }));
        const next = uniform(1);
        for (const method of METHODS) {
          for (const samples of [1, 9, 40]) {
            const program = await backend!.compile(plan, weights, { method, norm: 'batch' });
            const x = Float32Array.from({ length: samples * 3 * size * size }, () => next() * 2 - 1);
            await scoreRound(program, [{ x, samples }]);
            const { peak } = program.memory();
            program.dispose();
            const estimate = estimateMemory(plan, { method, microBatch: samples });
            expect(estimate.total).toBeGreaterThan(peak);
            expect(estimate.total - estimate.weights).toBeLessThan(4 * peak);
          }
        }
      },
    );
  }
});

describe('what cut the network', () => {
  const { plan } = denseModel([
    ['a', 4, 4],
    ['gate', 4, 4, true],
    ['b', 4, 4],
    ['c', 4, 4],
  ]);

  it('is the empty tensor that every path crosses', () => {
    expect(cutTensors(plan, [3, 0, 0, 2])).toEqual(['b']);
    expect(cutTensors(plan, [0, 16, 3, 0])).toEqual(['a', 'c']);
  });

  it('is no tensor where none is empty', () => {
    expect(cutTensors(plan, [1, 1, 1, 1])).toEqual([]);
  });

  it('is not an empty branch that has a way around, unless all ways are empty', () => {
    const { plan: chain } = denseModel([
      ['a', 4, 4],
      ['b', 4, 4],
    ]);
    const [a, b] = chain.steps;
    // a and b side by side, added.
    const values = [...chain.values, { name: 'sum', shape: [4], signal: true }];
    const steps = [
      a!,
      { ...b!, inputs: [0] },
      { kind: 'sum', op: 'add', name: 'sum', inputs: [1, 2], output: 3, signs: [1, 1] } as const,
    ];
    const parallel = { ...chain, values, steps, outputs: [{ name: 'y', value: 3 }] } as typeof chain;
    expect(cutTensors(parallel, [0, 0])).toEqual(['a', 'b']);
  });
});

describe('layer report', () => {
  it('gives counts, densities and shares', () => {
    const { plan } = denseModel([['a', 2, 2]]);
    const [row] = reportLayers(plan.params, ['pruned'], [1], [Float32Array.of(0.25, 0.5, 0, 0.25)]);
    expect(row).toEqual({
      name: 'a',
      shape: [2, 2],
      role: 'pruned',
      weights: 4,
      kept: 1,
      density: 0.25,
      scoreShare: 1,
    });
  });
});
