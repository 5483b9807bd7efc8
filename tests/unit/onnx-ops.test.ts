import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../src/plan/load.js';
import { forward } from '../support/forward.js';
import { OP_CASES, opCaseFile } from '../support/op-cases/index.js';
import { uniform } from '../support/random.js';

/** Every operator form against onnxruntime: f of the Plan, in float64, equals what a runtime computes. */

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
  it.each(OP_CASES)('$name', async (opCase) => {
    const { x: shape, batch, positive } = opCase;
    const samples = batch ?? 2;
    const bytes = opCaseFile(opCase);
    const size = shape.reduce((product, dim) => product * dim, 1);
    const next = uniform(size);
    const x = Float32Array.from({ length: samples * size }, () => (positive ? 0.1 + next() : 2 * next() - 1));
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
  });
});
