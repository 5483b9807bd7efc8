import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  applyMasks,
  type LoadedModel,
  loadModel,
  newModel,
  openDataset,
  PxError,
  prune,
  readMasks,
  score,
  writeMasks,
  writeModel,
} from '../../src/index.js';
import * as kernels from '../../src/kernels.js';
import { uniform } from '../support/random.js';

const SIZE = 3 * 8 * 8;
const next = uniform(9);
const samples = Array.from({ length: 6 }, () => Float32Array.from({ length: SIZE }, () => next() * 2 - 1));
let model: LoadedModel;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'px-api-'));
  model = await loadModel(newModel('resnet20', { size: 8, seed: 2 }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** As a program that decodes on the fly would give them. */
async function* stream() {
  for (const sample of samples) yield sample;
}

describe('the API', () => {
  it('scores arrays, iterables, async iterables and data sets alike', async () => {
    const dataset = await openDataset([samples], { shape: model.inputShape });
    const results = [
      await score(model, dataset),
      await score(model, [samples]),
      await score(model, stream()),
      await score(model, dataset),
    ];
    await dataset.close();
    for (const { scores, log2, u, samples: count } of results) {
      expect(count).toBe(6);
      expect(log2).toEqual(results[0]!.log2);
      expect([...scores.keys()]).toEqual(model.plan.params.map((param) => param.name));
      for (const [name, values] of scores) expect(values).toEqual(results[0]!.scores.get(name));
      expect(Math.max(...u!.get('logits')!)).toBe(1);
    }
  });

  it('prunes, applies masks, and writes and reads back a model and masks that agree', async () => {
    const { masks, kept } = await prune(model, stream(), { density: 0.2, rounds: 3, method: 'px-joint' });
    const path = join(folder, 'pruned.onnx');
    expect(await writeModel(model, masks, path)).toEqual([path]);
    const pruned = await loadModel(path);
    const expected = applyMasks(model, masks);
    let alive = 0;
    pruned.plan.params.forEach(({ name }, id) => {
      expect(pruned.weights[id]).toEqual(expected.get(name));
      alive += masks.get(name)!.reduce((sum, keep) => sum + keep, 0);
    });
    expect(alive).toBe(kept);

    const file = join(folder, 'masks.safetensors');
    await writeMasks(file, model.plan.params, masks, {});
    expect(await readMasks(file, model.plan.params)).toEqual(masks);
    // Masked weights and zero weights are the same to a network, but for which are free to move.
    const masked = await score(model, stream(), { masks });
    const zeroed = await score(pruned, stream(), { masks });
    expect(zeroed.log2).toEqual(masked.log2);
  });

  it('refuses masks, data and options that do not fit, and stops on a signal', async () => {
    const failure = (code: string) => expect.objectContaining({ code, constructor: PxError });
    expect(() => applyMasks(model, new Map([['nothing', new Uint8Array(1)]]))).toThrow(
      failure('ERR_MISMATCH'),
    );
    await expect(score(model, [new Float32Array(SIZE + 1)])).rejects.toEqual(failure('ERR_DATA'));
    await expect(score(model, [])).rejects.toEqual(failure('ERR_OPTION'));
    await expect(score(model, stream(), { threads: 0 })).rejects.toEqual(failure('ERR_OPTION'));
    await expect(score(model, stream(), { signal: AbortSignal.abort() })).rejects.toEqual(
      failure('ERR_ABORTED'),
    );
  });

  it('has kernels under it that give the same', async () => {
    const { plan, weights } = model;
    const program = await kernels.cpuBackend().compile(plan, weights, { method: 'px', norm: 'batch' });
    const x = new Float32Array(6 * SIZE);
    samples.forEach((sample, i) => x.set(sample, i * SIZE));
    const full = plan.params.map((param) => kernels.fullMask(param.size));
    program.setMasks(full);
    const round = await kernels.scoreRound(program, [{ x, samples: 6 }]);
    program.dispose();
    const { scores } = await score(model, stream());
    plan.params.forEach(({ name }, id) => expect(round.scores[id]).toEqual(scores.get(name)));
    const n = plan.params.reduce((sum, param) => sum + param.size, 0);
    const masks = kernels.selectTopK(round.scores, full, kernels.keepCount(n, 0.3, 1, 1));
    const { masks: expected } = await prune(model, stream(), { density: 0.3, rounds: 1 });
    plan.params.forEach(({ name, size }, id) =>
      expect(kernels.unpackMask(masks[id]!, size)).toEqual(expected.get(name)),
    );
  });
});
