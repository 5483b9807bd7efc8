import { describe, expect, it } from 'vitest';
import { cpuBackend } from '../../src/backend/native/cpu.js';
import { packMask } from '../../src/prune/masks.js';
import { PlanMaker, randomStream } from '../support/plan-maker.js';
import { referenceRound } from '../support/reference.js';
import { unreadable } from '../support/unreadable.js';

/**
 * g has a single sample, and with it ways of its own to weight gradients, to their total and to lists: they depend on how many
 * channels share what is read, on rows that do not fill a vector, and on how weights adjoin.
 */
const SHAPES: Record<string, (m: PlanMaker) => number> = {
  'few positions, many channels': (m) => m.conv(m.conv(0, 40, { pad: 1 }), 70, { pad: 1 }),
  '1×1': (m) => m.conv(m.conv(0, 67, { kernel: 1 }), 33, { kernel: 1 }),
  strides: (m) => m.conv(m.conv(0, 20, { stride: 2, pad: 1 }), 18, { kernel: 1, stride: 2 }),
  dilation: (m) => m.conv(m.conv(0, 24, { pad: 2, dilation: 2 }), 17, { kernel: 2 }),
  groups: (m) => m.conv(m.conv(0, 34, { pad: 1 }), 36, { pad: 1, groups: 2 }),
  depthwise: (m) => m.conv(m.conv(0, 20, { kernel: 1 }), 20, { pad: 1, groups: 20 }),
  transposed: (m) =>
    m.conv(m.conv(0, 19, { pad: 1 }), 21, { kernel: 4, stride: 2, pad: 1, transposed: true }),
  'large kernel': (m) => m.conv(m.conv(0, 16, { kernel: 5, pad: 2 }), 23, { kernel: 7, pad: 3 }),
};
const INPUTS = [
  [5, 7, 7],
  [3, 4, 45],
  [6, 29],
];

describe.each(Object.entries(SHAPES))('a single sample: %s', (_, make) => {
  it.each(INPUTS.flatMap((shape) => [0.05, 0.4, 0.9].map((density) => ({ shape, density }))))(
    'is what the definition says for $shape at density $density',
    async ({ shape, density }) => {
      const random = randomStream(71);
      const m = new PlanMaker(shape, random);
      m.output(m.dense(m.flatten(make(m)), 3));
      const size = shape.reduce((a, b) => a * b);
      const x = Float32Array.from({ length: 2 * size }, () => random());
      const masks = m.weights.map((w) => Uint8Array.from(w, () => +((random() + 1) / 2 < density)));
      const exact = referenceRound(m.plan(), m.weights, x, 2, { method: 'px', norm: 'running', masks });

      const program = await cpuBackend().compile(m.plan(), m.weights, {
        method: 'px',
        norm: 'running',
        threads: 2,
      });
      program.setMasks(masks.map((mask) => packMask(mask)));
      program.begin({ scores: unreadable(m.plan()) });
      await program.push(x, 2);
      const found = await program.finish();
      program.dispose();
      for (const name of ['R', 'Jfv2', 'Jvt2'] as const)
        expect(found.log2[name]).toBeCloseTo(exact.log2[name]!, 4);
      for (const [p, scores] of found.scores.entries()) {
        const most = Math.max(...exact.scores[p]!);
        for (const [i, score] of scores.entries())
          if (!(Math.abs(score - exact.scores[p]![i]!) <= 2e-5 * most))
            throw new Error(`parameter ${p}, weight ${i}: ${score}, not ${exact.scores[p]![i]}`);
      }
    },
  );
});
