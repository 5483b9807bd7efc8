import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cpuBackend } from '../../src/backend/native/cpu.js';
import * as browser from '../../src/browser.js';
import * as node from '../../src/index.js';
import { shrinkPlainly } from '../../src/io/data/shrink.js';
import { decodeSafetensors } from '../../src/io/safetensors.js';
import { syntheticImages } from '../../src/models/synthetic-images.js';
import { onnxFile } from '../support/onnx-file.js';
import { uniform } from '../support/random.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'px-browser-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const bytes = node.newModel('resnet20', { size: 8, seed: 5 });
const cifar = syntheticImages(1, 2);
const backend = cpuBackend();

describe('the browser API', () => {
  it('identifies models and data as Node does', async () => {
    const large = node.newModel('resnet20', { seed: 5 });
    const path = join(folder, 'images.bin');
    writeFileSync(path, cifar);
    const [there, here] = [
      await node.loadModel(large),
      await browser.loadModel(new Blob([large as BlobPart])),
    ];
    expect(here.sha256).toBe(there.sha256);
    const target = { shape: there.inputShape };
    const expected = await node.openDataset([path], target);
    const data = await browser.openDataset(
      [{ path: 'images.bin', blob: new Blob([cifar as BlobPart]) }],
      target,
    );
    expect(data.samples).toEqual(expected.samples);
    expect(data.notes).toEqual(expected.notes);
    expect(await data.digest()).toBe(await expected.digest());
    await expected.close();
  });

  it('prunes to the same masks, files and model', async () => {
    const model = { node: await node.loadModel(bytes), browser: await browser.loadModel(bytes) };
    const size = model.node.inputShape.reduce((a, b) => a * b);
    const samples = Float32Array.from({ length: 6 * size }, uniform(4));
    const target = { shape: model.node.inputShape };
    const same = await browser.openDataset([samples], target);
    const options = { density: 0.1, rounds: 3, backend };
    const expected = await node.prune(model.node, samples, options);
    const result = await browser.prune(model.browser, same, options);
    expect(result.configuration).toEqual(expected.configuration);
    expect(result.masks).toEqual(expected.masks);
    expect(result.layers).toEqual(expected.layers);

    const [masksPath, modelPath] = [join(folder, 'masks.safetensors'), join(folder, 'pruned.onnx')];
    await node.writeModel(model.node, expected.masks, modelPath);
    expect(Buffer.from(browser.prunedModel(model.browser, result.masks).model)).toEqual(
      readFileSync(modelPath),
    );
    writeFileSync(masksPath, browser.masksFile(model.browser, result));
    expect(await node.readMasks(masksPath, model.node.plan.params)).toEqual(expected.masks);
    const { tensors, metadata } = decodeSafetensors(browser.scoresFile(model.browser, result));
    expect(tensors.get('conv1.weight')!.data).toEqual(result.scores.get('conv1.weight'));
    expect(metadata).toMatchObject({ method: 'px', log2_R: String(expected.log2.R), samples: '6' });
  });

  it('finds external data by its location or its bare name, and gives it back pruned', async () => {
    const data = Uint8Array.from(new Uint8Array(Float32Array.from({ length: 8 }, (_, i) => i + 1).buffer));
    const storage = { location: 'weights/w.bin' };
    const file = onnxFile({
      inputs: { x: ['n', 4] },
      outputs: ['y'],
      tensors: { w: { dims: [4, 2], data: [], storage } },
      nodes: [['MatMul', ['x', 'w'], ['y']]],
    });
    mkdirSync(join(folder, 'weights'));
    mkdirSync(join(folder, 'out'));
    writeFileSync(join(folder, 'external.onnx'), file);
    writeFileSync(join(folder, 'weights', 'w.bin'), data);
    const expected = await node.loadModel(join(folder, 'external.onnx'));
    const masks = new Map([['w', Uint8Array.of(1, 1, 0, 1, 1, 1, 0, 1)]]);
    const [modelPath, dataPath] = await node.writeModel(expected, masks, join(folder, 'out', 'pruned.onnx'));
    for (const name of ['weights/w.bin', 'w.bin']) {
      const model = await browser.loadModel(file, { externalData: new Map([[name, data]]) });
      expect(model.sha256).toBe(expected.sha256);
      expect(model.weights).toEqual(expected.weights);
      const pruned = browser.prunedModel(model, masks);
      expect(Buffer.from(pruned.model)).toEqual(readFileSync(modelPath!));
      expect(Buffer.from(pruned.externalFiles.get('weights/w.bin')!)).toEqual(readFileSync(dataPath!));
    }
    await expect(browser.loadModel(file)).rejects.toMatchObject({
      code: 'ERR_OPTION',
      message: expect.stringContaining('"weights/w.bin", which was not given'),
    });
  });

  it('refuses what is no model, naming the file', async () => {
    const loading = browser.loadModel(new TextEncoder().encode('not a model'), { name: 'notes.txt' });
    await expect(loading).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining('notes.txt'),
    });
  });

  it('random samples are the same for the same seed', () => {
    const draw = (seed: number) => [...browser.randomSamples({ shape: [2, 3] }, 2, seed)];
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });
});

describe('shrinking without libvips', () => {
  const SIZES = [
    [100, 80, 50, 40],
    [100, 80, 37, 29],
    [256, 256, 224, 224],
    [500, 375, 298, 224],
    [480, 640, 32, 43],
    [401, 333, 57, 57],
    [64, 64, 63, 20],
  ] as const;
  it.each(SIZES)(
    '%i×%i to %i×%i: within 3 of 255, and half a level on average',
    async (h, w, height, width) => {
      const next = uniform(h * w);
      const data = Uint8Array.from({ length: h * w * 3 }, (_, i) =>
        i % 2 ? 256 * next() : 128 + 100 * Math.sin(i / 97),
      );
      const raw = { height: h, width: w, channels: 3 } as const;
      const expected = await sharp(data, { raw })
        .resize(width, height, { fit: 'fill', kernel: 'linear' })
        .raw()
        .toBuffer();
      const { data: actual } = await shrinkPlainly({ height: h, width: w, channels: 3, data }, height, width);
      const errors = Array.from(actual, (value, i) => Math.abs(value - expected[i]!));
      expect(actual.length).toBe(expected.length);
      expect(errors.reduce((a, b) => Math.max(a, b))).toBeLessThanOrEqual(3);
      expect(errors.reduce((a, b) => a + b) / errors.length).toBeLessThan(0.5);
    },
  );
});
