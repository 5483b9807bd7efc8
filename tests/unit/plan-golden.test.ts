import { statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../src/plan/load.js';
import { goldenCases, goldenExpected, goldenMasks, goldenTensors, METHODS } from '../support/golden.js';
import { referenceRound } from '../support/reference.js';

/** Networks take minutes in plain loops; the backends are compared with their expectations instead. */
const small = goldenCases().filter(({ model }) => statSync(model).size < 100_000);

const largest = (values: ArrayLike<number>) =>
  Array.from(values).reduce((m, v) => Math.max(m, Math.abs(v)), 0);

/** The worst relative error among entries above 1e-6 of the largest; the others must be as small as expected. */
function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  const floor = largest(expected) * 1e-6;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Math.abs(expected[i]!) <= floor) expect(Math.abs(actual[i]!)).toBeLessThanOrEqual(2 * floor);
    else worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!) / Math.abs(expected[i]!));
  }
  return worst;
}

describe('the Plan, run by the reference, equals the golden cases', () => {
  const runs = small.flatMap(({ name, model, variants }) =>
    variants.map((variant) => ({ name, model, variant })),
  );
  it.each(runs)('$name$variant', async ({ name, model, variant }) => {
    const expected = goldenExpected(name, variant);
    const tensors = await goldenTensors(name, `expected${variant}.safetensors`);
    const given = await goldenMasks(name);
    const x = (await goldenTensors(name, 'input.safetensors')).get('x')!;
    const { plan, weights, inputShape } = await loadModel(model);
    const samples = x.length / inputShape.reduce((size, dim) => size * dim, 1);
    expect(plan.params.map((param) => param.name)).toEqual(expected.prunable);
    expect(plan.params.filter((param) => param.gateOnly).map((param) => param.name)).toEqual(
      expected.gate_only,
    );
    const masks = plan.params.map((param) => given?.get(param.name) ?? new Uint8Array(param.size).fill(1));
    for (const method of METHODS) {
      const options = { method, norm: expected.norm, masks, microBatch: expected.micro_batch };
      const { scores, u, y, log2 } = referenceRound(plan, weights, x, samples, options);
      // Golden y: sample by sample, all outputs behind each other.
      const each = (part: Float64Array, n: number) =>
        part.subarray((n * part.length) / samples, ((n + 1) * part.length) / samples);
      const joined = Array.from({ length: samples }, (_, n) =>
        y.flatMap((part) => Array.from(each(part, n))),
      ).flat();
      const wanted = tensors.get('y')!;
      expect(joined.length).toBe(wanted.length);
      const yError = joined.reduce((worst, value, i) => Math.max(worst, Math.abs(value - wanted[i]!)), 0);
      expect(yError).toBeLessThan(1e-5 * largest(wanted));
      plan.params.forEach((param, p) => {
        expect(
          relativeError(scores[p]!, tensors.get(`${method}/${param.name}`)!),
          `${method} ${param.name}`,
        ).toBeLessThan(2e-6);
      });
      u?.forEach((part, k) => {
        expect(relativeError(part, tensors.get(`u${k}`)!)).toBeLessThan(2e-6);
      });
      const { log2_R, log2_Jfv2, log2_Jvt2 } = expected[method];
      if (log2_R === null) expect(log2.R).toBe(-Infinity);
      else expect(log2.R).toBeCloseTo(log2_R, 5);
      if (typeof log2_Jfv2 === 'number') expect(log2.Jfv2).toBeCloseTo(log2_Jfv2, 5);
      if (typeof log2_Jvt2 === 'number') expect(log2.Jvt2).toBeCloseTo(log2_Jvt2, 5);
    }
  });
});
