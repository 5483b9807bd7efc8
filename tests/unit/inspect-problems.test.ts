import { describe, expect, it } from 'vitest';
import { inspectModel } from '../../src/plan/inspect.js';
import { type FileSpec, onnxFile, scalar, type TestNode } from '../support/onnx-file.js';

const w = { dims: [4, 4], data: Array.from({ length: 16 }, (_, i) => (i - 7) / 8) };

/** "op node" of every problem. */
async function problems(nodes: readonly TestNode[], outputs = ['y'], more: Partial<FileSpec> = {}) {
  const bytes = onnxFile({
    inputs: { x: ['n', 4] },
    outputs,
    nodes,
    ...more,
    tensors: { w, v: w, ...more.tensors },
  });
  const { problems: found } = await inspectModel(bytes);
  return found.map(({ op, node }) => `${op} ${node}`);
}

describe('inspect lists everything that cannot be treated, at once', () => {
  it('before, at and behind nodes that are refused', async () => {
    const channels = { dims: [4], data: [1, 1, 1, 1] };
    const nodes: TestNode[] = [
      ['MatMul', ['x', 'w'], ['a']],
      ['Sigmoid', ['a'], ['q']],
      ['Add', ['a', 'q'], ['b']], // a gate added to a signal
      ['If', ['c'], ['d'], { then_branch: { graph: true } }],
      ['Add', ['b', 'd'], ['e']],
      ['LSTM', ['e'], ['f']],
      ['BatchNormalization', ['f', 'g', 'g', 'g', 'g'], ['h'], { training_mode: { i: 1 } }],
      ['Softplus', ['h'], ['i']],
      ['MatMul', ['i', 'w'], ['j']],
      ['MatMul', ['j', 'j'], ['k']],
      ['Tanh', ['v'], ['t']],
      ['MatMul', ['k', 't'], ['y']],
    ];
    const found = await problems(nodes, ['y'], {
      tensors: { g: channels, c: { dims: [], data: [1], type: 'bool' } },
    });
    expect(found.sort()).toEqual([
      'Add n_b',
      'BatchNormalization n_h',
      'If n_d',
      'LSTM n_f',
      'MatMul n_k',
      'MatMul n_y',
      'Softplus n_i',
    ]);
  });

  it('an activation in the way of weights whose outcome another node spoils', async () => {
    const found = await problems([
      ['MatMul', ['x', 'w'], ['a']],
      ['Softplus', ['a'], ['b']],
      ['MatMul', ['b', 'v'], ['c']],
      ['LSTM', ['c'], ['y']],
    ]);
    expect(found.sort()).toEqual(['LSTM n_y', 'Softplus n_b']);
  });

  it('what only a subgraph reads', async () => {
    const nodes: TestNode[] = [
      ['MatMul', ['x', 'w'], ['a']],
      ['ArgMax', ['a'], ['b']],
      ['If', ['c'], ['y'], { then_branch: { graph: true } }],
    ];
    const tensors = { c: { dims: [], data: [1], type: 'bool' as const } };
    expect(await problems(nodes, ['y'], { tensors })).toEqual(['ArgMax n_b', 'If n_y']);
  });

  it('but not the gates of squeeze-excite, nor what a recognised activation left behind', async () => {
    const found = await problems(
      [
        ['MatMul', ['x', 'w'], ['a']],
        ['Sigmoid', ['a'], ['s']],
        ['Mul', ['x', 's'], ['b']], // a gate
        ['Sigmoid', ['b'], ['r']],
        ['Mul', ['b', 'r'], ['c']], // SiLU
        ['Exp', ['c'], ['d']],
        ['Add', ['d', 'one'], ['e']],
        ['MatMul', ['e', 'v'], ['y']],
      ],
      ['y'],
      { tensors: { one: scalar(1) } },
    );
    expect(found).toEqual(['Exp n_d']);
  });
});
