import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { cpuBackend } from '../../src/backend/native/cpu.js';
import { writePruned } from '../../src/onnx/patch.js';
import { loadModel } from '../../src/plan/load.js';
import { packMask } from '../../src/prune/masks.js';
import { goldenCases, goldenMasks, goldenTensors } from '../support/golden.js';
import { randomStream } from '../support/plan-maker.js';

/** The pruned file, run by an independent runtime, gives what f gives with the same masks (running statistics, before the tail). */
const folder = mkdtempSync(join(tmpdir(), 'px-ort-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the tail rule leaves out of f, put back. */
const TAIL: Record<string, ((y: Float32Array, output: number, row: number) => Float32Array) | undefined> = {
  'softmax-tail': (y, _, row) => softmax(y, row),
  'softmax-tail-masked': (y, _, row) => softmax(y, row),
  'two-outputs': (y, output) => (output === 0 ? y.map((v) => 1 / (1 + Math.exp(-v))) : y),
};

function softmax(y: Float32Array, row: number): Float32Array {
  const e = y.map((v) => Math.exp(v));
  return e.map((v, i) => v / e.subarray(i - (i % row), i - (i % row) + row).reduce((a, b) => a + b, 0));
}

describe.each(goldenCases())('$name', ({ name, model: path }) => {
  it('runs pruned in onnxruntime and equals f', async () => {
    const model = await loadModel(path);
    const { plan, weights, inputShape } = model;
    const x = (await goldenTensors(name, 'input.safetensors')).get('x') as Float32Array;
    const samples = x.length / inputShape.reduce((a, b) => a * b, 1);
    const given = await goldenMasks(name);
    const random = randomStream(17);
    const masks = new Map(
      plan.params.map((p) => [
        p.name,
        packMask(given?.get(p.name) ?? Uint8Array.from({ length: p.size }, () => (random() > -0.4 ? 1 : 0))),
      ]),
    );

    const program = await cpuBackend().compile(plan, weights, { method: 'px', norm: 'running' });
    program.setMasks(plan.params.map((p) => masks.get(p.name) as Uint8Array));
    program.begin({ forwardOnly: true });
    const { y } = await program.push(x, samples);
    program.dispose();

    const file = join(folder, `${name}.onnx`);
    await writePruned(model.onnx, masks, file);
    const session = await ort.InferenceSession.create(file);
    const input = session.inputNames[0] as string;
    const results = await session.run({ [input]: new ort.Tensor('float32', x, [samples, ...inputShape]) });
    plan.outputs.forEach((o, k) => {
      const expected = results[o.name]?.data as Float32Array;
      const raw = y?.[k] as Float32Array;
      const actual = TAIL[name]?.(raw, k, raw.length / samples) ?? raw;
      expect(actual.length).toBe(expected.length);
      const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      let worst = 0;
      actual.forEach((v, i) => {
        const error = Math.abs(v - (expected[i] ?? Number.NaN));
        if (!(error <= worst)) worst = error;
      });
      expect(worst).toBeLessThanOrEqual(1e-4 * largest);
    });
    await session.release();
  });
});
