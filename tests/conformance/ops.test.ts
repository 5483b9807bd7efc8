import { describe, expect, it } from 'vitest';
import type { Backend } from '../../src/backend/backend.js';
import { loadModel } from '../../src/plan/load.js';
import { describeBackends } from '../support/describe-backends.js';
import { OP_CASES, opCaseFile } from '../support/op-cases/index.js';
import type { OpCase } from '../support/op-cases/op-case.js';
import { uniform } from '../support/random.js';
import { referenceRound } from '../support/reference.js';
import { unreadable } from '../support/unreadable.js';

/** Every operator form, both methods, on every backend, against the float64 reference. */
await describeBackends((backend) =>
  describe(backend.name, () => it.each(OP_CASES)('$name', (opCase) => check(backend, opCase))),
);

async function check(backend: Backend, opCase: OpCase): Promise<void> {
  const { plan, weights, inputShape } = await loadModel(opCaseFile(opCase));
  const samples = opCase.batch ?? 2;
  const size = inputShape.reduce((product, dim) => product * dim, 1);
  const next = uniform(size);
  const x = Float32Array.from({ length: samples * size }, () =>
    opCase.positive ? 0.1 + next() : 2 * next() - 1,
  );
  for (const method of ['px', 'px-joint'] as const) {
    const wanted = referenceRound(plan, weights, x, samples, { method, norm: 'batch' });
    const program = await backend.compile(plan, weights, { method, norm: 'batch', threads: 1 });
    try {
      program.begin({ outputs: true, scores: unreadable(plan) });
      const { y } = await program.push(x, samples);
      const { scores, log2 } = await program.finish();
      y?.forEach((values, k) => {
        close(values, wanted.y[k]!, 2e-5, `${method}: y${k}`);
      });
      if (wanted.log2.R === Number.NEGATIVE_INFINITY) expect(log2.R).toBe(Number.NEGATIVE_INFINITY);
      else expect(log2.R, `${method}: log2 R`).toBeCloseTo(wanted.log2.R, 4);
      scores.forEach((values, p) => {
        close(values, wanted.scores[p]!, 2e-5, `${method}: ${plan.params[p]!.name}`);
      });
    } finally {
      program.dispose();
    }
  }
}

/** Within `error` of the largest. */
function close(actual: Float32Array, expected: Float64Array, error: number, what: string): void {
  expect(actual.length, what).toBe(expected.length);
  const largest = expected.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
  const worst = expected.reduce((top, v, i) => Math.max(top, Math.abs(v - actual[i]!)), 0);
  expect(worst, what).toBeLessThanOrEqual(error * largest + 1e-30);
}
