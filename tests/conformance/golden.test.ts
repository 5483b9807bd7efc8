import { describe, expect, it, vi } from 'vitest';
import type { Backend } from '../../src/backend/backend.js';
import { splitMicroBatches } from '../../src/io/data/micro-batch.js';
import { loadModel } from '../../src/plan/load.js';
import { packMask } from '../../src/prune/masks.js';
import { describeBackends } from '../support/describe-backends.js';
import {
  compareScores,
  goldenCases,
  goldenExpected,
  goldenMasks,
  goldenTensors,
  METHODS,
  tolerance,
} from '../support/golden.js';
import { unreadable } from '../support/unreadable.js';

// A software adapter compiles its kernels in the first tests that need them: half a minute, more on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

/** Every golden case, both methods, every statistics it has, on every backend present. */
await describeBackends((backend) =>
  describe.each(goldenCases())(`${backend.name}: $name`, ({ name, model, variants }) => {
    for (const variant of variants)
      it.each(METHODS)(`%s${variant}`, (method) => check(backend, name, model, variant, method));
  }),
);

async function check(
  backend: Backend,
  name: string,
  path: string,
  variant: string,
  method: (typeof METHODS)[number],
): Promise<void> {
  const expected = goldenExpected(name, variant);
  const tensors = await goldenTensors(name, `expected${variant}.safetensors`);
  const x = (await goldenTensors(name, 'input.safetensors')).get('x') as Float32Array;
  const masks = await goldenMasks(name);
  const { plan, weights, inputShape } = await loadModel(path);

  expect(plan.params.map((p) => p.name)).toEqual(expected.prunable);
  expect(plan.params.filter((p) => p.gateOnly).map((p) => p.name)).toEqual(expected.gate_only);

  const program = await backend.compile(plan, weights, { method, norm: expected.norm, threads: 2 });
  try {
    if (masks)
      program.setMasks(plan.params.map((p) => packMask(masks.get(p.name) ?? new Uint8Array(p.size).fill(1))));
    program.begin({ outputs: true, scores: unreadable(plan) });
    const size = inputShape.reduce((a, b) => a * b, 1);
    const samples = x.length / size;
    const outputs: (readonly Float32Array[])[] = [];
    const parts: number[] = [];
    let first = 0;
    for (const n of splitMicroBatches(samples, expected.micro_batch)) {
      outputs.push((await program.push(x.slice(first * size, (first + n) * size), n)).y ?? []);
      parts.push(n);
      first += n;
    }
    const result = await program.finish();

    const wrong = plan.params.flatMap((p, i) =>
      compareScores(
        result.scores[i] ?? new Float32Array(),
        tensors.get(`${method}/${p.name}`) ?? new Float32Array(),
        tolerance(name),
      ).map((w) => `${p.name}: ${w}`),
    );
    expect(wrong).toEqual([]);

    const scalars = expected[method];
    near(result.log2.R, scalars.log2_R, 'log2 R');
    if (method === 'px') {
      near(result.log2.Jfv2, scalars.log2_Jfv2, 'log2 Jfv2');
      near(result.log2.Jvt2, scalars.log2_Jvt2, 'log2 Jvt2');
      plan.outputs.forEach((_, k) => {
        closeTo(result.u?.[k] ?? new Float32Array(), tensors.get(`u${k}`) ?? new Float32Array(), 1, `u${k}`);
      });
    }
    const y = tensors.get('y') as Float32Array;
    closeTo(
      joined(outputs, parts),
      y,
      y.reduce((a, b) => Math.max(a, Math.abs(b)), 0),
      'y',
    );
  } finally {
    program.dispose();
  }
}

function near(actual: number | undefined, expected: number | null | undefined, what: string): void {
  if (expected === null || expected === undefined) expect(actual, what).toBe(Number.NEGATIVE_INFINITY);
  else
    expect(
      Math.abs((actual ?? Number.NaN) - expected),
      `${what}: ${actual}, expected ${expected}`,
    ).toBeLessThanOrEqual(1e-4);
}

function closeTo(actual: Float32Array, expected: Float32Array, largest: number, what: string): void {
  expect(actual.length, what).toBe(expected.length);
  let worst = 0;
  actual.forEach((v, i) => {
    const error = Math.abs(v - (expected[i] ?? Number.NaN));
    if (!(error <= worst)) worst = error;
  });
  expect(worst, what).toBeLessThanOrEqual(1e-4 * largest);
}

/** All outputs of a sample side by side, samples in order, as the expectation has them. */
function joined(batches: readonly (readonly Float32Array[])[], parts: readonly number[]): Float32Array {
  const all: number[] = [];
  batches.forEach((outputs, b) => {
    const n = parts[b] ?? 1;
    for (let s = 0; s < n; ++s)
      for (const o of outputs) all.push(...o.subarray((s * o.length) / n, ((s + 1) * o.length) / n));
  });
  return Float32Array.from(all);
}
