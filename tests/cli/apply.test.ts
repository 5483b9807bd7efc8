import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, readMasks } from '../../src/index.js';
import { readSafetensors, type SafeTensor, writeSafetensors } from '../../src/io/safetensors.js';
import { onnxFile, type TestTensor } from '../support/onnx-file.js';
import { uniform } from '../support/random.js';
import { px } from './px.js';

let work: string;
const path = (name: string) => join(work, name);

const random = (seed: number, ...dims: number[]): TestTensor & { data: Float32Array } => {
  const next = uniform(seed);
  return { dims, data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => next() * 2 - 1) };
};

/** Conv, then a MatMul whose weight PyTorch would hold transposed. */
const model = (seed: number) =>
  onnxFile({
    inputs: { x: ['n', 3, 4, 4] },
    outputs: ['y'],
    tensors: { conv: random(seed, 4, 3, 3, 3), 'onnx::MatMul_7': random(seed + 1, 4, 5) },
    nodes: [
      ['Conv', ['x', 'conv'], ['a'], { pads: { ints: [1, 1, 1, 1] } }],
      ['Relu', ['a'], ['b']],
      ['GlobalAveragePool', ['b'], ['c']],
      ['Flatten', ['c'], ['d']],
      ['MatMul', ['d', 'onnx::MatMul_7'], ['y']],
    ],
  });

const write = (name: string, tensors: Record<string, SafeTensor>, metadata = {}) =>
  writeSafetensors(path(name), new Map(Object.entries(tensors)), metadata);

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'px-apply-'));
  await writeFile(path('model.onnx'), model(1));
  await writeFile(path('trained.onnx'), model(9));
  const { data } = random(5, 6, 3, 4, 4);
  await write('x.safetensors', { x: { dtype: 'F32', shape: [6, 3, 4, 4], data } });
  const pruned = await px(
    work,
    ...['prune', 'model.onnx', '--data', 'x.safetensors', '--density', '0.4', '--rounds', '3', '-o', 'out'],
  );
  expect(pruned).toMatchObject({ code: 0 });
});
afterAll(() => rm(work, { recursive: true, force: true }));

describe('px apply', () => {
  it('writes what px prune wrote, into the same model', async () => {
    const done = await px(work, 'apply', 'out/masks.safetensors', 'model.onnx', '-o', 'again.onnx', '--json');
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(done.stdout)).toMatchObject({ kept: 52, countable: 128, files: ['again.onnx'] });
    expect(await readFile(path('again.onnx'))).toEqual(await readFile(path('out/pruned.onnx')));
  });

  it('writes them into a copy with other weights, and says that it is another file', async () => {
    const args = ['apply', 'out/masks.safetensors', 'trained.onnx', '-o', 'ticket.onnx'];
    const { code, stdout, stderr } = await px(work, ...args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/kept 52 of 128 weights \(40\.6 %\)/);
    expect(stderr).toMatch(/made for another file/);
    const before = await loadModel(path('trained.onnx'));
    const after = await loadModel(path('ticket.onnx'));
    const masks = await readMasks(path('out/masks.safetensors'), before.plan.params);
    before.plan.params.forEach(({ name }, id) => {
      const mask = masks.get(name)!;
      expect(after.weights[id]).toEqual(before.weights[id]!.map((weight, j) => (mask[j] === 1 ? weight : 0)));
    });
  });

  it('names everything that does not fit at once', async () => {
    const ones = (...shape: number[]): SafeTensor => ({
      dtype: 'U8',
      shape,
      data: new Uint8Array(shape.reduce((a, b) => a * b)).fill(1),
    });
    await write('wrong.safetensors', { conv: ones(4, 27), gone: ones(3) });
    const failed = await px(work, 'apply', 'wrong.safetensors', 'model.onnx', '-o', 'no.onnx');
    expect(failed).toMatchObject({ code: 8, stdout: '' });
    expect(failed.stderr).toMatch(/'conv' is U8 \[4, 27\], the model has U8 \[4, 3, 3, 3\]/);
    expect(failed.stderr).toMatch(/'gone' is U8 \[3\], the model has no prunable tensor/);
    expect(failed.stderr).toMatch(/'onnx::MatMul_7' has no mask/);
    await expect(readFile(path('no.onnx'))).rejects.toThrow(/ENOENT/);
  });

  it('keeps what the masks do not name whole with --partial alone', async () => {
    const data = Uint8Array.from({ length: 108 }, (_, j) => j % 2);
    await write('half.safetensors', { conv: { dtype: 'U8', shape: [4, 3, 3, 3], data } });
    const args = ['apply', 'half.safetensors', 'model.onnx', '-o', 'half.onnx'];
    expect(await px(work, ...args)).toMatchObject({
      code: 8,
      stderr: expect.stringContaining('has no mask'),
    });
    const done = await px(work, ...args, '--partial', '--json');
    expect(done.code).toBe(0);
    expect(done.stderr).toMatch(/no mask, kept whole: onnx::MatMul_7/);
    expect(JSON.parse(done.stdout).kept).toBe(54 + 20);
    const { weights } = await loadModel(path('half.onnx'));
    expect(weights[1]).toEqual(random(2, 4, 5).data);
  });

  it('writes over none of its inputs', async () => {
    for (const input of ['out/masks.safetensors', 'model.onnx']) {
      const before = await readFile(path(input));
      expect(await px(work, 'apply', 'out/masks.safetensors', 'model.onnx', '-o', input)).toMatchObject({
        code: 2,
      });
      expect(await readFile(path(input))).toEqual(before);
    }
  });
});

describe('px map', () => {
  const map = (...more: string[]) => px(work, 'map', 'out/masks.safetensors', 'model.onnx', ...more);

  beforeAll(async () => {
    const matrix = random(2, 4, 5).data;
    await write('state.safetensors', {
      'features.0.weight': { dtype: 'F32', shape: [4, 3, 3, 3], data: random(1, 4, 3, 3, 3).data },
      'head.weight': {
        dtype: 'F32',
        shape: [5, 4],
        data: matrix.map((_, i) => matrix[(i % 4) * 5 + (i >> 2)]!),
      },
      'head.bias': { dtype: 'F32', shape: [5], data: new Float32Array(5) },
    });
  });

  it('puts masks under the names and layouts of a state_dict', async () => {
    const { code, stdout, stderr } = await map('state.safetensors', '-o', 'mapped.safetensors');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/onnx::MatMul_7 +head\.weight +5×4 +transposed +content +20/);
    const [masks, mapped] = await Promise.all([
      readSafetensors(path('out/masks.safetensors')),
      readSafetensors(path('mapped.safetensors')),
    ]);
    expect([...mapped.tensors.keys()].sort()).toEqual(['features.0.weight', 'head.weight']);
    expect(mapped.tensors.get('features.0.weight')).toEqual(masks.tensors.get('conv'));
    const from = masks.tensors.get('onnx::MatMul_7')!.data as Uint8Array;
    expect(mapped.tensors.get('head.weight')).toMatchObject({
      shape: [5, 4],
      data: from.map((_, i) => from[(i % 4) * 5 + (i >> 2)]!),
    });
    expect(mapped.metadata).toMatchObject({ layout: 'state_dict', density: masks.metadata.density });
  });

  it('refuses the weights of another training, naming what it looked for', async () => {
    const failed = await px(
      work,
      'map',
      'out/masks.safetensors',
      'trained.onnx',
      'state.safetensors',
      '-o',
      'no',
    );
    expect(failed).toMatchObject({ code: 8, stdout: '' });
    expect(failed.stderr).toMatch(/'conv': no tensor has its values; of its size is 'features\.0\.weight'/);
  });

  it('leaves out with --partial what it does not find, and says so', async () => {
    const { tensors } = await readSafetensors(path('state.safetensors'));
    const { 'features.0.weight': stem } = Object.fromEntries(tensors);
    await write('stem.safetensors', { stem: stem! });
    const done = await map('stem.safetensors', '-o', 'stem-masks.safetensors', '--partial', '--json');
    expect(done.code).toBe(0);
    expect(done.stderr).toMatch(/left out 'onnx::MatMul_7': no floating-point tensor has 20 elements/);
    expect(JSON.parse(done.stdout)).toMatchObject({
      tensors: [{ onnx: 'conv', stateDict: 'stem', weights: 108 }],
    });
  });

  it('does not read pickles, and writes over none of its inputs', async () => {
    await cp(path('state.safetensors'), path('state.pth'));
    const pickle = await map('state.pth', '-o', 'no');
    expect(pickle).toMatchObject({ code: 2, stderr: expect.stringContaining('safetensors.torch.save_file') });
    expect(await map('state.safetensors', '-o', 'state.safetensors')).toMatchObject({ code: 2 });
  });
});
