import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../src/plan/load.js';
import { forward } from '../support/forward.js';
import { onnxFile } from '../support/onnx-file.js';
import { ELEMENTWISE_CASES } from '../support/op-cases/elementwise.js';
import { LAYOUT_CASES } from '../support/op-cases/layout.js';
import { NORMS_CASES } from '../support/op-cases/norms.js';
import { random } from '../support/op-cases/op-case.js';
import { POOLS_CASES } from '../support/op-cases/pools.js';
import { WEIGHTED_CASES } from '../support/op-cases/weighted.js';
import { uniform } from '../support/random.js';

/** Every operator form against onnxruntime: f of the Plan, in float64, equals what a runtime computes. */
const cases = [...WEIGHTED_CASES, ...NORMS_CASES, ...POOLS_CASES, ...ELEMENTWISE_CASES, ...LAYOUT_CASES];

async function runtime(bytes: Uint8Array, x: Float32Array, dims: readonly number[]): Promise<Float32Array> {
  const session = await InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const { y } = await session.run({ x: new Tensor('float32', x, dims) });
  return y!.data as Float32Array;
}

describe('f of the Plan equals onnxruntime', () => {
  it.each(cases)(
    '$name',
    async ({ opset = 17, x: shape, nodes, tensors = {}, last, batch, positive, domains }) => {
      const samples = batch ?? 2;
      const head = random([last, 2]);
      const bytes = onnxFile({
        opset,
        ...(domains && { domains }),
        inputs: { x: [batch ?? 'n', ...shape] },
        outputs: ['y'],
        nodes: [...nodes, ['MatMul', ['z', 'head'], ['y']]],
        tensors: { ...tensors, head },
      });
      const size = shape.reduce((product, dim) => product * dim, 1);
      const next = uniform(size);
      const x = Float32Array.from({ length: samples * size }, () =>
        positive ? 0.1 + next() : 2 * next() - 1,
      );
      const { plan, weights } = await loadModel(bytes);
      const trace = forward(
        plan,
        weights.map((w) => Float64Array.from(w)),
        Float64Array.from(x),
        samples,
        'running',
      );
      const y = trace.values[plan.outputs[0]!.value]!;
      const wanted = await runtime(bytes, x, [samples, ...shape]);
      expect(y.length).toBe(wanted.length);
      const scale = Math.max(...wanted.map(Math.abs), 1e-3);
      for (let k = 0; k < wanted.length; k++) expect(Math.abs(y[k]! - wanted[k]!)).toBeLessThan(2e-5 * scale);
    },
  );
});
