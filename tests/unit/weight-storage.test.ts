import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, prune } from '../../src/index.js';
import { readModel } from '../../src/onnx/read.js';
import { readTensor } from '../../src/onnx/tensor-data.js';
import { verifyRun } from '../../src/prune/verify.js';
import { findNonZero } from '../../src/prune/verify-model.js';
import { onnxFile, rawBytes, type TestNode, type TestTensor } from '../support/onnx-file.js';
import { uniform } from '../support/random.js';

/**
 * One network, its weights stored in every type and in every way. The values are multiples of 1/64, which all types hold exactly:
 * whatever the storage, the same weights must go.
 */

type Type = 'float32' | 'float16' | 'bfloat16' | 'float64';
interface Weight {
  readonly dims: readonly number[];
  readonly data: readonly number[];
}
/** Where a weight's data lie, and what surrounds them there. */
interface Place {
  readonly location: string;
  readonly offset: number;
}

const next = uniform(11);
const sixtyFourths = (dims: readonly number[], from: number, to: number): Weight => ({
  dims,
  data: Array.from({ length: dims.reduce((a, b) => a * b) }, () => {
    const value = Math.round(64 * (from + (to - from) * next())) / 64;
    return value === 0 ? 1 / 64 : value;
  }),
});

const WEIGHTS: Record<string, Weight> = {
  stem: sixtyFourths([6, 3, 3, 3], -1, 1),
  deep: sixtyFourths([8, 6, 3, 3], -1, 1),
  head: sixtyFourths([8, 4], -1, 1),
};
const NORM: Record<string, Weight> = {
  gamma: sixtyFourths([6], 0.5, 1.5),
  beta: sixtyFourths([6], -0.5, 0.5),
  mean: sixtyFourths([6], -0.5, 0.5),
  variance: sixtyFourths([6], 0.5, 1.5),
};
const NODES: readonly TestNode[] = [
  ['Conv', ['x', 'stem'], ['a'], { pads: { ints: [1, 1, 1, 1] } }],
  ['BatchNormalization', ['a', 'gamma', 'beta', 'mean', 'variance'], ['b']],
  ['Relu', ['b'], ['c']],
  ['Conv', ['c', 'deep'], ['d'], { strides: { ints: [2, 2] } }],
  ['Relu', ['d'], ['e']],
  ['GlobalAveragePool', ['e'], ['f']],
  ['Flatten', ['f'], ['g']],
  ['MatMul', ['g', 'head'], ['y']],
];
const SAMPLES = Float32Array.from({ length: 10 * 3 * 8 * 8 }, () => next() * 2 - 1);
const DENSITY = 0.3;

const mapValues = <T, U>(of: Record<string, T>, map: (value: T, name: string) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(of).map(([name, value]) => [name, map(value, name)]));

function network(type: Type, store: (name: string) => NonNullable<TestTensor['storage']>, constants = false) {
  const tensor = (weight: Weight, name: string): TestTensor => ({ ...weight, type, storage: store(name) });
  const weights = mapValues(WEIGHTS, tensor);
  const constantNodes = Object.entries(weights).map(
    ([name, t]): TestNode => ['Constant', [], [name], { value: { t } }],
  );
  return onnxFile({
    valueType: type,
    inputs: { x: ['n', 3, 8, 8] },
    outputs: ['y'],
    tensors: { ...mapValues(NORM, (weight) => ({ ...weight, type })), ...(constants ? {} : weights) },
    nodes: constants ? [...constantNodes, ...NODES] : NODES,
  });
}

let work: string;
let masks: Buffer;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'px-storage-'));
  masks = await pruned(
    'reference',
    network('float32', () => 'raw'),
  );
});
afterAll(() => rm(work, { recursive: true, force: true }));

/** Prunes the model with `px prune`'s library call, checks what is written, and gives the tensors of masks.safetensors. */
async function pruned(name: string, file: Uint8Array): Promise<Buffer> {
  await mkdir(join(work, name), { recursive: true });
  const path = join(work, name, 'model.onnx');
  const out = join(work, name, 'out');
  await writeFile(path, file);
  const model = await loadModel(path);
  const { masks: found, kept } = await prune(model, SAMPLES, { density: DENSITY, rounds: 4, out });
  expect(kept).toBe(Math.ceil((162 + 432 + 32) * DENSITY));
  const faults = (await verifyRun(out, path)).filter(({ outcome }) => outcome !== 'passed');
  expect(faults).toEqual([]);

  const { model: before } = await readModel(path);
  const { model: after } = await readModel(join(out, 'pruned.onnx'));
  for (const [tensor, mask] of found) {
    const [old, now] = [before, after].map((of) => readTensor(of, of.tensors.get(tensor)!).data);
    expect(Array.from(now!)).toEqual(Array.from(old!, (value, j) => (mask[j] === 1 ? value : 0)));
    expect(Array.from(old!)).toEqual(WEIGHTS[tensor]!.data);
  }
  return tensorBytes(await readFile(join(out, 'masks.safetensors')));
}

/** A safetensors file without its header, which names the model's hash. */
function tensorBytes(file: Buffer): Buffer {
  return file.subarray(8 + Number(file.readBigUInt64LE()));
}

const TYPES: readonly Type[] = ['float32', 'float16', 'bfloat16', 'float64'];

describe.each(TYPES)('%s weights', (type) => {
  it.each(['raw', 'list', 'unpacked'] as const)('as initializers, stored %s', async (storage) => {
    const found = await pruned(
      `${type}-${storage}`,
      network(type, () => storage),
    );
    expect(found.equals(masks)).toBe(true);
  });

  it('in Constant nodes', async () => {
    const found = await pruned(
      `${type}-constant`,
      network(type, () => 'raw', true),
    );
    expect(found.equals(masks)).toBe(true);
  });

  it('in external files: two in one, one in a folder, all at offsets', async () => {
    const name = `${type}-external`;
    const places: Record<string, Place> = {
      stem: { location: 'weights.bin', offset: 64 },
      deep: { location: 'more/deep.data', offset: 3 },
      head: { location: 'weights.bin', offset: 4096 },
    };
    const files = new Map<string, Buffer>();
    for (const [tensor, { location, offset }] of Object.entries(places)) {
      const bytes = rawBytes([...WEIGHTS[tensor]!.data], type);
      const file = files.get(location) ?? Buffer.alloc(8192, 0xa5);
      file.set(bytes, offset);
      files.set(location, file);
    }
    for (const [location, bytes] of files) {
      const path = join(work, name, location);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, bytes);
    }
    const length = (tensor: string) => rawBytes([...WEIGHTS[tensor]!.data], type).length;
    const found = await pruned(
      name,
      network(type, (tensor) => ({ ...places[tensor]!, length: length(tensor) })),
    );
    expect(found.equals(masks)).toBe(true);
    for (const [location, before] of files) {
      const after = await readFile(join(work, name, 'out', location));
      expect(await readFile(join(work, name, location))).toEqual(before);
      const inWeights = (at: number) =>
        Object.entries(places).some(
          ([tensor, place]) =>
            place.location === location && at >= place.offset && at < place.offset + length(tensor),
        );
      expect(after.length).toBe(before.length);
      expect(before.findIndex((byte, at) => byte !== after[at] && !inWeights(at))).toBe(-1);
    }
  });
});

it('a weight with more elements than any constant may have is verified too', async () => {
  const dims = [8193, 8192];
  const size = 8193 * 8192;
  const storage = { location: 'large.bin', length: 4 * size };
  const path = join(work, 'large.onnx');
  await writeFile(
    path,
    onnxFile({
      inputs: { x: ['n', 8193] },
      outputs: ['y'],
      tensors: { w: { dims, data: [], storage } },
      nodes: [['MatMul', ['x', 'w'], ['y']]],
    }),
  );
  const file = await open(join(work, 'large.bin'), 'w');
  await file.truncate(4 * size); // zeros that take no room on the disk
  const { model } = await readModel(path);
  const masks = [{ name: 'w', shape: dims, keep: new Uint8Array(size) }];
  expect(await findNonZero(model, masks)).toBe(undefined);
  await file.write(Float32Array.of(0.5), 0, 4, 4 * (size - 1));
  await file.close();
  expect(await findNonZero(model, masks)).toMatch(`weight ${size - 1} of 'w' is pruned, but holds 0.5`);
});
