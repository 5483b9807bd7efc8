import { describe, expect, it } from 'vitest';
import { loadModel } from '../../src/plan/load.js';
import { type FileSpec, ints, onnxFile, scalar, type TestNode } from '../support/onnx-file.js';
import { loadVectorModel, refusal } from '../support/vector-model.js';

describe('what the importer refuses', () => {
  it('lists every node at once, with opset and remedy', async () => {
    const error = await refusal([
      ['LSTM', ['x'], ['a']],
      ['Relu', ['a'], ['b']],
      ['Whatever', ['b'], ['c']],
      ['com.acme:Thing', ['c'], ['d']],
      ['MatMul', ['d', 'd'], ['y']],
    ]);
    expect(error.code).toBe('ERR_UNSUPPORTED');
    for (const part of [
      '4 nodes',
      'LSTM "n_a" (opset 17)',
      'Whatever "n_c"',
      'com.acme.Thing "n_d" (opset 1)',
      'attention',
    ])
      expect(error.message).toContain(part);
  });

  it('ignores, but names, nodes that the chosen outputs do not need', async () => {
    const nodes: TestNode[] = [
      ['MatMul', ['x', 'w'], ['y']],
      ['ArgMax', ['y'], ['k']],
    ];
    const more = { outputs: ['y', 'k'] };
    await expect(loadVectorModel(nodes, more)).rejects.toThrow(/ArgMax/);
    const model = await loadVectorModel(nodes, more, ['y']);
    expect(model.warnings.join()).toContain('ArgMax "n_k"');
  });

  it.each<[string, TestNode[], Partial<FileSpec>, string, RegExp]>([
    [
      'a computed weight',
      [
        ['Tanh', ['w'], ['t']],
        ['MatMul', ['x', 't'], ['y']],
      ],
      {},
      'ERR_UNSUPPORTED',
      /weight is computed by Tanh "n_t"/,
    ],
    [
      'a quantised weight',
      [
        ['DequantizeLinear', ['q', 's'], ['t']],
        ['MatMul', ['x', 't'], ['y']],
      ],
      { tensors: { q: { dims: [4, 4], data: new Array(16).fill(1), type: 'uint8' }, s: scalar(0.1) } },
      'ERR_UNSUPPORTED',
      /DequantizeLinear/,
    ],
    [
      'a merged batch',
      [
        ['Reshape', ['x', 'to'], ['r']],
        ['MatMul', ['r', 'w'], ['y']],
      ],
      { tensors: { to: ints(2, -1) } },
      'ERR_UNSUPPORTED',
      /mixes the samples of a batch/,
    ],
    ['a moved batch', [['Transpose', ['x'], ['y']]], {}, 'ERR_UNSUPPORTED', /moves the batch/],
    [
      'a reduction over the batch',
      [['ReduceMean', ['x'], ['y'], { axes: { ints: [0] } }]],
      {},
      'ERR_UNSUPPORTED',
      /along the batch/,
    ],
    [
      'training-mode BatchNorm',
      [['BatchNormalization', ['x', 'b', 'b', 'b', 'b'], ['y'], { training_mode: { i: 1 } }]],
      { tensors: { b: { dims: [4], data: [1, 1, 1, 1] } } },
      'ERR_UNSUPPORTED',
      /training mode/,
    ],
    [
      'statistics as outputs',
      [
        ['BatchNormalization', ['x', 'b', 'b', 'b', 'b'], ['z', 'm']],
        ['Add', ['z', 'm'], ['y']],
      ],
      { tensors: { b: { dims: [4], data: [1, 1, 1, 1] } } },
      'ERR_UNSUPPORTED',
      /output 1 \("m"\) is used/,
    ],
    [
      'control flow',
      [['If', ['c'], ['y'], { then_branch: { graph: true } }]],
      { tensors: { c: { dims: [], data: [1], type: 'bool' } } },
      'ERR_UNSUPPORTED',
      /control flow/,
    ],
    [
      'a cycle',
      [
        ['Add', ['x', 'b'], ['a']],
        ['Add', ['a', 'a'], ['b']],
        ['Relu', ['b'], ['y']],
      ],
      {},
      'ERR_FILE',
      /"b" is not defined before it/,
    ],
    [
      'a name defined twice',
      [
        ['Relu', ['x'], ['y']],
        ['Relu', ['x'], ['y']],
      ],
      {},
      'ERR_FILE',
      /"y" is defined twice/,
    ],
    ['an output nobody makes', [['Relu', ['x'], ['z']]], {}, 'ERR_FILE', /"y" is not produced/],
    ['an old opset', [['Relu', ['x'], ['y']]], { opset: 6 }, 'ERR_UNSUPPORTED', /opset 6/],
    [
      'two inputs',
      [['Add', ['x', 'x2'], ['y']]],
      { inputs: { x: ['n', 4], x2: ['n', 4] } },
      'ERR_UNSUPPORTED',
      /2 inputs \("x", "x2"\)/,
    ],
    ['an open size', [['Relu', ['x'], ['y']]], { inputs: { x: ['n', 'c'] } }, 'ERR_OPTION', /--size/],
    [
      'a shape bomb',
      [
        ['ConstantOfShape', ['s'], ['c']],
        ['Add', ['x', 'c'], ['y']],
      ],
      { tensors: { s: ints(2 ** 30, 2 ** 30) } },
      'ERR_UNSUPPORTED',
      /not a size that is computed/,
    ],
    [
      'nearest by a broken factor',
      [['Resize', ['x', '', 's'], ['y']]],
      { inputs: { x: ['n', 1, 4, 4] }, tensors: { s: { dims: [4], data: [1, 1, 1.5, 1.5] } } },
      'ERR_UNSUPPORTED',
      /nearest/,
    ],
    [
      'cubic resizing',
      [['Resize', ['x', '', 's'], ['y'], { mode: { s: 'cubic' } }]],
      { inputs: { x: ['n', 1, 4, 4] }, tensors: { s: { dims: [4], data: [1, 1, 2, 2] } } },
      'ERR_UNSUPPORTED',
      /mode cubic/,
    ],
  ])('%s', async (_, nodes, more, code, why) => {
    const error = await refusal(nodes, more);
    expect(error.message).toMatch(why);
    expect(error.code).toBe(code);
  });

  it('a weight that is a constant elsewhere', async () => {
    await expect(
      loadVectorModel(
        [
          ['MatMul', ['x', 'w'], ['a']],
          ['Gather', ['w', 'k'], ['r']],
          ['Add', ['a', 'r'], ['y']],
        ],
        { tensors: { k: ints(0) } },
      ),
    ).rejects.toThrow(/"w" is a weight, but Gather/);
  });

  it('a weight that is not a number', async () => {
    await expect(
      loadVectorModel([['MatMul', ['x', 'bad'], ['y']]], {
        tensors: { bad: { dims: [4, 1], data: [1, NaN, 0, 0] } },
      }),
    ).rejects.toMatchObject({ code: 'ERR_NUMERIC', message: expect.stringContaining('index 1') });
  });
});

describe('the input', () => {
  it('takes sizes for symbolic dimensions', async () => {
    const file = onnxFile({
      inputs: { x: ['n', 3, 'h', 'w'] },
      outputs: ['y'],
      nodes: [['Relu', ['x'], ['y']]],
    });
    expect((await loadModel(file, { inputSize: [5] })).inputShape).toEqual([3, 5, 5]);
    expect((await loadModel(file, { inputSize: [5, 6] })).inputShape).toEqual([3, 5, 6]);
    expect((await loadModel(file, { inputShape: [3, 7, 6] })).inputShape).toEqual([3, 7, 6]);
    await expect(loadModel(file, { inputShape: [4, 7, 6] })).rejects.toMatchObject({ code: 'ERR_OPTION' });
  });

  it('knows initializers that are listed as inputs', async () => {
    const model = await loadVectorModel([['MatMul', ['x', 'w'], ['y']]], {
      inputs: { w: [4, 4], x: [2, 4] },
    });
    expect(model.inputName).toBe('x');
    expect(model.bakedBatch).toBe(2);
  });
});
