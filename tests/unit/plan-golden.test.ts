import { describe, expect, it } from 'vitest';
import { loadModel } from '../../src/plan/load.js';
import { goldenNames, goldenNorms, goldenSize, readExpectation, readGolden } from '../support/golden.js';
import { referenceRound } from '../support/reference.js';

/** Networks take minutes in plain loops; the backends are compared with their expectations instead. */
const small = goldenNames().filter((name) => goldenSize(name) < 100_000);

const largest = (values: ArrayLike<number>) => Array.from(values).reduce((m, v) => Math.max(m, Math.abs(v)), 0);

function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const floor = largest(expected) * 1e-6;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Math.abs(expected[i]!) <= floor) expect(Math.abs(actual[i]!)).toBeLessThanOrEqual(2 * floor);
    else worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!) / Math.abs(expected[i]!));
  }
  return worst;
}

describe('the Plan, run by the reference, equals the golden cases', () => {
  it.each(small.flatMap((name) => goldenNorms(name).map((norm) => ({ name, norm }))))('$name ($norm)', async ({ name, norm }) => {
    const golden = await readGolden(name);
    const expected = await readExpectation(name, norm);
    const { plan, weights } = await loadModel(golden.model);
    expect(plan.params.map((param) => param.name)).toEqual(expected.prunable);
    expect(plan.params.filter((param) => param.gateOnly).map((param) => param.name)).toEqual(expected.gateOnly);
    const masks = plan.params.map(({ name: param, size }) => golden.masks?.get(param) ?? new Uint8Array(size).fill(1));
    for (const method of ['px', 'px-joint'] as const) {
      const options = { method, norm, masks, microBatch: expected.microBatch };
      const { scores, u, y, log2 } = referenceRound(plan, weights, golden.x, golden.samples, options);
      // Golden y: sample by sample, all outputs behind each other.
      const each = (part: Float64Array, n: number) => part.subarray((n * part.length) / golden.samples, ((n + 1) * part.length) / golden.samples);
      const joined = Array.from({ length: golden.samples }, (_, n) => y.flatMap((part) => Array.from(each(part, n)))).flat();
      const wanted = expected.tensors.get('y')!;
      expect(joined.length).toBe(wanted.length);
      for (let i = 0; i < wanted.length; i++) expect(Math.abs(joined[i]! - wanted[i]!)).toBeLessThan(1e-5 * largest(wanted));
      plan.params.forEach((param, p) => {
        const error = relativeError(scores[p]!, expected.tensors.get(`${method}/${param.name}`)!);
        expect(error, `${method} score of ${param.name}`).toBeLessThan(2e-6);
      });
      u?.forEach((part, k) => expect(relativeError(part, expected.tensors.get(`u${k}`)!)).toBeLessThan(2e-6));
      for (const [key, value] of Object.entries(expected.log2[method])) {
        if (value !== null) expect(log2[key as 'R']).toBeCloseTo(value, 5);
        else if (key === 'R') expect(log2.R).toBe(-Infinity);
      }
    }
  });
});
