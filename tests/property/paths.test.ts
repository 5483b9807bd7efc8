import { describe, expect, it } from 'vitest';
import { packMask } from '../../src/prune/masks.js';
import { backends } from '../support/backends.js';
import { enumeratePaths } from '../support/enumerate.js';
import { PlanMaker, randomStream } from '../support/plan-maker.js';

/** Networks small enough that all their paths can be listed, each exercising other steps and other lane widths. */
const NETWORKS: Record<string, (m: PlanMaker) => void> = {
  'conv, leaky, dense': (m) => {
    const a = m.leaky(m.conv(0, 3, { pad: 1, bias: true }), 0.2);
    m.output(m.dense(m.flatten(m.conv(a, 2, { kernel: 2, stride: 2 })), 3, { bias: true, alpha: -0.5 }));
  },
  'residual and concat': (m) => {
    const a = m.leaky(m.conv(0, 2, { pad: 1 }), 0);
    const b = m.leaky(m.conv(a, 2, { pad: 1, bias: true }), 0);
    m.output(m.conv(m.concat([m.add([a, b], [1, -1]), a]), 2, { kernel: 1 }));
  },
  'pools and norms': (m) => {
    const a = m.leaky(m.batchNorm(m.conv(0, 3, { pad: 1 })), 0);
    m.output(
      m.dense(m.flatten(m.averagePool(m.leaky(m.conv(m.maxPool(a, 2), 2, { kernel: 1 }), 0.1), 2, -3)), 2),
    );
  },
  'groups, dilation, transposed': (m) => {
    const a = m.leaky(m.conv(0, 4, { groups: 2, dilation: 2, pad: 2 }), 0);
    m.output(
      m.conv(m.conv(a, 4, { kernel: 2, stride: 2, groups: 2, transposed: true, bias: true }), 2, {
        kernel: 2,
        stride: 2,
      }),
    );
  },
  'depthwise, learned scale, two outputs': (m) => {
    const a = m.affine(
      m.conv(0, 2, { pad: 1, groups: 2 }),
      { shape: [2, 1, 1], data: m.floats(2) },
      { shape: [], data: m.floats(1) },
    );
    m.output(m.conv(m.leaky(a, 0), 1, { kernel: 4 }));
    m.output(m.dense(m.transpose(a, [1, 2, 0]), 2));
  },
  'a weight used twice': (m) => {
    const a = m.leaky(m.conv(0, 2, { pad: 1 }), 0.3);
    m.output(m.conv(a, 2, { pad: 1, share: 0 }));
  },
};

const present = (await backends()).flatMap(({ backend }) => (backend ? [backend] : []));
const runs = present.flatMap((backend) =>
  Object.keys(NETWORKS).map((name) => ({ on: backend.name, backend, name })),
);

describe.each(runs)('$on: $name', ({ backend, name }) => {
  it.each([
    [1, 1],
    [2, 3],
    [3, 5],
    [4, 11],
    [5, 17],
  ])('equals the enumeration of all paths (seed %i, %i samples)', async (seed, samples) => {
    const random = randomStream(seed * 7919 + name.length);
    const m = new PlanMaker([2, 4, 4], random);
    NETWORKS[name]?.(m);
    const plan = m.plan();
    const dense = seed % 2 === 1;
    const masks = plan.params.map((p) =>
      Uint8Array.from({ length: p.size }, () => (dense || random() > -0.2 ? 1 : 0)),
    );
    const x = m.floats(samples * 32);
    const truth = enumeratePaths(plan, m.weights, masks, x, samples);
    for (const method of ['px', 'px-joint'] as const) {
      const program = await backend.compile(plan, m.weights, { method, norm: 'running', threads: 2 });
      program.setMasks(masks.map((mask) => packMask(mask)));
      program.begin({ outputs: true });
      const { y } = await program.push(x, samples);
      const result = await program.finish();
      program.dispose();
      const expected = method === 'px' ? truth.px : truth.joint;
      expected.forEach((scores, i) => {
        const largest = scores.reduce((a, b) => Math.max(a, b), 0);
        scores.forEach((s, j) => {
          expect(
            Math.abs((result.scores[i]?.[j] ?? Number.NaN) - s),
            `${method} ${plan.params[i]?.name}[${j}] of ${s}`,
          ).toBeLessThanOrEqual(1e-5 * s + 1e-9 * largest);
        });
      });
      expect(result.log2.R).toBeCloseTo(method === 'px' ? truth.log2.R : truth.log2.joint, 4);
      if (method === 'px') {
        expect(result.log2.Jfv2).toBeCloseTo(truth.log2.Jfv2, 4);
        expect(result.log2.Jvt2).toBeCloseTo(truth.log2.Jvt2, 4);
      }
      y?.forEach((values, k) => {
        const largest = truth.y[k]?.reduce((a, b) => Math.max(a, Math.abs(b)), 0) ?? 0;
        values.forEach((v, e) => {
          expect(Math.abs(v - (truth.y[k]?.[e] ?? Number.NaN))).toBeLessThanOrEqual(1e-5 * largest);
        });
      });
    }
  });
});
