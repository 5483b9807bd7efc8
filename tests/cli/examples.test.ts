import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, newModel } from '../../src/index.js';
import { readSafetensors, type SafeTensor, writeSafetensors } from '../../src/io/safetensors.js';
import { syntheticImages } from '../../src/models/synthetic-images.js';
import { onnxFile } from '../support/onnx-file.js';
import { uniform } from '../support/random.js';
import { px } from './px.js';

const example = (path: string) => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));

let work: string;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'px-examples-'));
});
afterAll(() => rm(work, { recursive: true, force: true }));

function run(command: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: work, encoding: 'utf8' });
  return { status, stdout, stderr };
}

describe('examples/node', () => {
  beforeAll(async () => {
    await writeFile(join(work, 'model.onnx'), newModel('resnet20', { size: 16, seed: 2 }));
    await writeFile(join(work, 'images.bin'), syntheticImages(1, 3));
  });

  it('score.mjs', () => {
    const { status, stdout } = run('node', example('node/score.mjs'), 'model.onnx', 'images.bin');
    expect(status).toBe(0);
    expect(stdout).toMatch(/over 10 samples\nconv1\.weight: 432 weights carry 100\.0 % of R/);
  });

  it('kernels.mjs', () => {
    const { status, stdout } = run('node', example('node/kernels.mjs'));
    expect(status).toBe(0);
    expect(stdout).toMatch(/kept 13545 of 270896 weights\n$/);
  });

  it('prune-with-progress.mjs, also when its time is up', async () => {
    const args = [example('node/prune-with-progress.mjs'), 'model.onnx', 'images.bin', 'pruned.onnx'];
    const late = run('node', ...args, '0.05');
    expect(late).toMatchObject({ status: 130, stderr: expect.stringContaining('ERR_ABORTED') });
    expect(existsSync(join(work, 'pruned.onnx'))).toBe(false);
    const { status, stdout, stderr } = run('node', ...args);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'kept 27090 of 270896 weights: pruned.onnx\n' });
    expect(stderr).toMatch(/round 10 of 10/);
    const { weights } = await loadModel(join(work, 'pruned.onnx'));
    const alive = weights.reduce((sum, values) => sum + values.filter((value) => value !== 0).length, 0);
    expect(alive).toBe(27090);
  });
});

/** PX_PYTHON names an interpreter with torch and safetensors; python3 is tried otherwise. */
const PYTHON = process.env.PX_PYTHON ?? 'python3';
const noTorch =
  spawnSync(PYTHON, ['-c', 'import torch, safetensors.torch'], { stdio: 'ignore' }).status !== 0;

describe.skipIf(noTorch)(`examples/pytorch (skipped where ${PYTHON} has no torch and safetensors)`, () => {
  const masks = new Map<string, Uint8Array>();
  const next = uniform(8);
  const random = (...dims: number[]) =>
    Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => next() - 0.5);

  beforeAll(async () => {
    const [stem, mix, head] = [random(16, 3, 3, 3), random(32, 16, 3, 3), random(4, 32)];
    await writeSafetensors(join(work, 'state.safetensors'), new Map(stateDict(stem, mix, head)));
    // As an exporter that folds constants writes it: other names, Linear's weight transposed.
    const tensors = {
      'onnx::Conv_9': { dims: [16, 3, 3, 3], data: stem },
      'onnx::Conv_12': { dims: [32, 16, 3, 3], data: mix },
      'onnx::MatMul_15': { dims: [32, 4], data: head.map((_, i) => head[(i % 4) * 32 + (i >> 2)]!) },
    };
    const file = onnxFile({
      inputs: { x: ['n', 3, 16, 16] },
      outputs: ['y'],
      tensors,
      nodes: [
        ['Conv', ['x', 'onnx::Conv_9'], ['a'], { pads: { ints: [1, 1, 1, 1] } }],
        ['Relu', ['a'], ['b']],
        ['Conv', ['b', 'onnx::Conv_12'], ['c'], { pads: { ints: [1, 1, 1, 1] }, strides: { ints: [2, 2] } }],
        ['Relu', ['c'], ['d']],
        ['GlobalAveragePool', ['d'], ['e']],
        ['Flatten', ['e'], ['f']],
        ['MatMul', ['f', 'onnx::MatMul_15'], ['y']],
      ],
    });
    await writeFile(join(work, 'exported.onnx'), file);
    for (const [name, { data }] of Object.entries(tensors)) {
      masks.set(
        name,
        Uint8Array.from(data, () => (next() < 0.3 ? 1 : 0)),
      );
    }
    const dense = [...masks].map(([name, data]): [string, SafeTensor] => [
      name,
      { dtype: 'U8', shape: tensors[name as keyof typeof tensors].dims, data },
    ]);
    await writeSafetensors(join(work, 'masks.safetensors'), new Map(dense));
    const args = [
      'map',
      'masks.safetensors',
      'exported.onnx',
      'state.safetensors',
      '-o',
      'mapped.safetensors',
    ];
    expect(await px(work, ...args)).toMatchObject({ code: 0 });
  });

  it('train.py trains the ticket: pruned weights end exactly 0, the others have moved', async () => {
    const { status, stdout, stderr } = run(
      PYTHON,
      ...[example('pytorch/train.py'), 'train', 'mapped.safetensors', '--steps', '5'],
    );
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const kept = [...masks.values()].reduce((sum, mask) => sum + mask.reduce((a, b) => a + b), 0);
    expect(JSON.parse(stdout).density).toBeCloseTo(kept / (432 + 4608 + 128), 6);
    const [before, after, mapped] = await Promise.all(
      ['state', 'ticket', 'mapped'].map((name) => readSafetensors(join(work, `${name}.safetensors`))),
    );
    expect([...after!.tensors.keys()].sort()).toEqual([...before!.tensors.keys()].sort());
    for (const [name, { data: mask }] of mapped!.tensors) {
      const [old, now] = [before!, after!].map(({ tensors }) => tensors.get(name)!.data as Float32Array);
      expect(Uint8Array.from(now!, (value) => (value === 0 ? 0 : 1))).toEqual(mask);
      expect(now!.some((value, j) => value !== 0 && value !== old![j])).toBe(true);
    }
  });

  it('px_masks.py masks gradients, is undone by remove_masks, and refuses masks that do not fit', () => {
    const { status, stderr } = run(PYTHON, '-c', CHECKS, example('pytorch'));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

/** The state_dict of train.py's network. */
function stateDict(stem: Float32Array, mix: Float32Array, head: Float32Array): [string, SafeTensor][] {
  const f32 = (data: Float32Array, ...shape: number[]): SafeTensor => ({ dtype: 'F32', shape, data });
  const norm = (name: string, channels: number): [string, SafeTensor][] => [
    [`${name}.weight`, f32(new Float32Array(channels).fill(1), channels)],
    [`${name}.bias`, f32(new Float32Array(channels), channels)],
    [`${name}.running_mean`, f32(new Float32Array(channels), channels)],
    [`${name}.running_var`, f32(new Float32Array(channels).fill(1), channels)],
    [`${name}.num_batches_tracked`, { dtype: 'I64', shape: [], data: BigInt64Array.of(0n) }],
  ];
  return [
    ['0.weight', f32(stem, 16, 3, 3, 3)],
    ...norm('1', 16),
    ['3.weight', f32(mix, 32, 16, 3, 3)],
    ...norm('4', 32),
    ['8.weight', f32(head, 4, 32)],
    ['8.bias', f32(new Float32Array(4), 4)],
  ];
}

const CHECKS = `
import sys
sys.path.insert(0, sys.argv[1])
import torch
from torch import nn
from px_masks import apply_masks, density, load_masks, remove_masks

model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
before = model[0].weight.detach().clone()
mask = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.uint8)
apply_masks(model, {'0.weight': mask})
assert density(model) == 0.5
assert torch.equal(model[0].weight, before * mask)
model(torch.ones(5, 4)).sum().backward()
gradient = model[0].parametrizations.weight.original.grad
assert gradient[mask == 0].eq(0).all() and gradient[0, 0] != 0

def refused(masks, words):
    try:
        apply_masks(model, masks)
    except ValueError as error:
        assert all(word in str(error) for word in words), error
    else:
        raise AssertionError('accepted')

refused({'0.weight': mask, '1.weight': mask, '2.weight': mask, '1.gain': mask},
        ['0.weight is parametrised', '1.weight has shape [2, 3]', '2.weight is no', '1.gain is no'])
assert not hasattr(model[1], 'parametrizations')

remove_masks(model)
assert isinstance(model[0].weight, nn.Parameter) and torch.equal(model[0].weight, before * mask)
assert density(model) == 1.0
try:
    load_masks('state.safetensors')
except ValueError as error:
    assert 'no mask of 0 and 1' in str(error)
else:
    raise AssertionError('accepted')
`;
