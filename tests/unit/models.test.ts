import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import type { SafeTensor } from '../../src/io/safetensors.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { MODEL_NAMES, newModel } from '../../src/models/new-model.js';
import { normalArray, uniformSource } from '../../src/models/random.js';
import { readStateDict } from '../../src/models/state-dict.js';
import { SYNTHETIC_CLASSES, syntheticImages } from '../../src/models/synthetic-images.js';
import { encodeModel } from '../../src/onnx/encode.js';

async function run(model: Uint8Array, shape: number[]): Promise<Tensor> {
  const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
  const size = shape.reduce((product, n) => product * n, 1);
  const x = Float32Array.from({ length: size }, (_, i) => Math.sin(i));
  const { logits } = await session.run({ input: new Tensor('float32', x, shape) });
  return logits as Tensor;
}

describe('newModel', () => {
  it.each([
    ['resnet20', 32, 10],
    ['resnet32', 32, 10],
    ['resnet56', 32, 10],
    ['vgg16_bn', 32, 10],
    ['resnet18', 64, 1000],
    ['resnet50', 64, 1000],
    ['mobilenet_v2', 64, 1000],
  ])('%s runs with any batch size and gives finite logits', async (name, size, classes) => {
    const model = newModel(name, { seed: 1, size });
    for (const batch of [1, 3]) {
      const y = await run(model, [batch, 3, size, size]);
      expect(y.dims).toEqual([batch, classes]);
      expect((y.data as Float32Array).every(Number.isFinite)).toBe(true);
    }
  });

  it('takes classes, size and channels', async () => {
    const y = await run(newModel('resnet20', { classes: 7, size: 20, channels: 1 }), [2, 1, 20, 20]);
    expect(y.dims).toEqual([2, 7]);
  });

  it('has option A shortcuts on request', async () => {
    const y = await run(newModel('resnet20', { shortcut: 'padding' }), [2, 3, 32, 32]);
    expect(y.dims).toEqual([2, 10]);
  });

  it('is a function of the seed, on every machine', () => {
    const sha256 = createHash('sha256')
      .update(newModel('resnet20', { seed: 1 }))
      .digest('hex');
    expect(sha256).toBe('6f9c1d6654a5095c8d4781aa15efca18919a5dfd658a38b9ce614603557db933');
  });

  it('differs between seeds', () => {
    const bytes = (seed: number) => Buffer.from(newModel('resnet20', { seed }));
    expect(bytes(3).equals(bytes(3))).toBe(true);
    expect(bytes(3).equals(bytes(4))).toBe(false);
  });

  it.each<[string, Parameters<typeof newModel>[1], RegExp]>([
    ['resnet19', {}, /"resnet19".*resnet20/],
    ['toString', {}, /unknown network/],
    ['resnet20', { classes: 0 }, /classes/],
    ['resnet20', { size: 2.5 }, /size/],
    ['vgg16_bn', { size: 16 }, /size must be an integer from 32/],
    ['resnet20', { seed: Number.NaN }, /seed/],
    ['resnet18', { shortcut: 'padding' }, /shortcut/],
  ])('refuses %s with %j', (name, options, message) => {
    expect(() => newModel(name, options)).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }));
    expect(() => newModel(name, options)).toThrow(message);
  });

  it('lists every network it knows', () => expect(MODEL_NAMES).toHaveLength(7));
});

describe('weights', () => {
  /** The tensors a user would save from PyTorch for resnet20, filled with recognisable values. */
  function stateDict(): Map<string, SafeTensor> {
    const tensors = new Map<string, SafeTensor>();
    const add = (name: string, ...shape: number[]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      const data = Float32Array.from({ length: size }, (_, i) => Math.cos(i) / 8 + 0.2);
      tensors.set(name, { dtype: 'F32', shape, data });
    };
    const batchNorm = (name: string, channels: number) => {
      for (const part of ['weight', 'bias', 'running_mean', 'running_var']) add(`${name}.${part}`, channels);
      tensors.set(`${name}.num_batches_tracked`, { dtype: 'I64', shape: [], data: new BigInt64Array([9n]) });
    };
    add('conv1.weight', 16, 3, 3, 3);
    batchNorm('bn1', 16);
    let from = 16;
    for (const [stage, to] of [16, 32, 64].entries()) {
      for (const block of [0, 1, 2]) {
        const path = `layer${stage + 1}.${block}`;
        add(`${path}.conv1.weight`, to, from, 3, 3);
        batchNorm(`${path}.bn1`, to);
        add(`${path}.conv2.weight`, to, to, 3, 3);
        batchNorm(`${path}.bn2`, to);
        if (from !== to) {
          add(`${path}.downsample.0.weight`, to, from, 1, 1);
          batchNorm(`${path}.downsample.1`, to);
        }
        from = to;
      }
    }
    add('linear.weight', 10, 64);
    add('linear.bias', 10);
    return tensors;
  }

  async function fill(tensors: Map<string, SafeTensor>): Promise<Uint8Array> {
    const folder = await mkdtemp(join(tmpdir(), 'px-weights-'));
    try {
      const path = join(folder, 'w.safetensors');
      await writeSafetensors(path, tensors);
      return newModel('resnet20', { weights: await readStateDict(path) });
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  it('go into the model byte for byte, whatever the seed', async () => {
    const tensors = stateDict();
    const model = Buffer.from(await fill(tensors));
    for (const { dtype, data } of tensors.values()) {
      if (dtype !== 'F32') continue;
      expect(model.includes(Buffer.from(data.buffer, data.byteOffset, data.byteLength))).toBe(true);
    }
  });

  it('that do not fit are all listed in one error', async () => {
    const tensors = stateDict();
    tensors.delete('bn1.running_mean');
    tensors.set('linear.bias', { dtype: 'F32', shape: [11], data: new Float32Array(11) });
    tensors.set('extra', { dtype: 'F32', shape: [1], data: new Float32Array(1) });
    await expect(fill(tensors)).rejects.toMatchObject({
      code: 'ERR_MISMATCH',
      message: expect.stringMatching(
        /missing "bn1.running_mean" \[16\][\s\S]*"linear.bias" is \[11\][\s\S]*unexpected "extra"/,
      ),
    });
  });

  it('without projections point to the other shortcut', async () => {
    const tensors = new Map([...stateDict()].filter(([name]) => !name.includes('downsample')));
    await expect(fill(tensors)).rejects.toThrow(/shortcut "padding"/);
  });

  it('must be finite', async () => {
    const tensors = stateDict();
    (tensors.get('conv1.weight')!.data as Float32Array)[5] = Number.NaN;
    await expect(fill(tensors)).rejects.toMatchObject({
      code: 'ERR_NUMERIC',
      message: expect.stringContaining('conv1.weight'),
    });
  });
});

describe('Kaiming initialisation', () => {
  it('draws from a normal distribution with the given deviation', () => {
    const draws = normalArray(100_001, 0.5, uniformSource(7));
    const mean = draws.reduce((sum, x) => sum + x, 0) / draws.length;
    const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length;
    const kurtosis = draws.reduce((sum, x) => sum + (x - mean) ** 4, 0) / draws.length / variance ** 2;
    expect(Math.abs(mean)).toBeLessThan(0.01);
    expect(Math.sqrt(variance)).toBeCloseTo(0.5, 2);
    expect(kurtosis).toBeCloseTo(3, 1);
  });
});

describe('encodeModel', () => {
  it('writes what onnxruntime computes with', async () => {
    const model = encodeModel({
      irVersion: 8,
      opset: 17,
      producer: 'test',
      graph: {
        name: 'g',
        nodes: [
          {
            op: 'Gemm',
            name: 'fc',
            inputs: ['input', 'w'],
            outputs: ['y'],
            attributes: { transB: { int: 1 }, alpha: { float: 2 } },
          },
          {
            op: 'Transpose',
            name: 't',
            inputs: ['y'],
            outputs: ['logits'],
            attributes: { perm: { ints: [1, 0] } },
          },
        ],
        initializers: [{ name: 'w', shape: [1, 2], data: new Float32Array([3, -1]) }],
        inputs: [{ name: 'input', shape: ['N', 2] }],
        outputs: [{ name: 'logits', shape: [1, 'N'] }],
      },
    });
    const y = await run(model, [2, 2]);
    expect(y.dims).toEqual([1, 2]);
    const [a, b] = [-2 * Math.sin(1), 2 * (3 * Math.sin(2) - Math.sin(3))];
    expect([...(y.data as Float32Array)]).toEqual([expect.closeTo(a, 5), expect.closeTo(b, 5)]);
  });
});

describe('synthetic images', () => {
  it('form a CIFAR-10 file with alternating labels', () => {
    const bytes = syntheticImages(3, 1);
    expect(bytes.length).toBe(30 * 3073);
    const labels = Array.from({ length: 30 }, (_, i) => bytes[i * 3073]);
    expect(labels).toEqual(Array.from({ length: 30 }, (_, i) => i % SYNTHETIC_CLASSES));
    expect(Buffer.from(syntheticImages(3, 1)).equals(bytes)).toBe(true);
    expect(Buffer.from(syntheticImages(3, 2)).equals(bytes)).toBe(false);
  });

  it('use most of the brightness range and are not flat', () => {
    const bytes = syntheticImages(2, 5);
    for (let image = 0; image < 20; image++) {
      const pixels = bytes.subarray(image * 3073 + 1, (image + 1) * 3073);
      expect(Math.max(...pixels) - Math.min(...pixels)).toBeGreaterThan(50);
    }
  });

  it('need a positive number', () => expect(() => syntheticImages(0, 1)).toThrow(/images per class/));
});
