import { scalar } from '../onnx-file.js';
import { f, i, image, is, type OpCase, one, random } from './op-case.js';

export const NORMS_CASES: readonly OpCase[] = [
  // ---- norms
  {
    name: 'BatchNormalization',
    x: image,
    nodes: one('BatchNormalization', { epsilon: f(0.01) }, ['g', 'b', 'm', 'v']),
    tensors: { g: random([4]), b: random([4]), m: random([4]), v: random([4], 0.5, 2) },
    last: 6,
  },
  {
    name: 'BatchNormalization of vectors, opset 9',
    opset: 9,
    x: [5],
    nodes: one('BatchNormalization', {}, ['g', 'b', 'm', 'v']),
    tensors: { g: random([5]), b: random([5]), m: random([5]), v: random([5], 0.5, 2) },
    last: 5,
  },
  {
    name: 'LayerNormalization',
    x: image,
    nodes: one('LayerNormalization', {}, ['g', 'b']),
    tensors: { g: random([6]), b: random([6]) },
    last: 6,
  },
  {
    name: 'LayerNormalization over two axes',
    x: image,
    nodes: one('LayerNormalization', { axis: i(2), epsilon: f(0.1) }, ['g']),
    tensors: { g: random([7, 6]) },
    last: 6,
  },
  {
    name: 'InstanceNormalization',
    x: image,
    nodes: one('InstanceNormalization', { epsilon: f(0.1) }, ['g', 'b']),
    tensors: { g: random([4]), b: random([4]) },
    last: 6,
  },
  {
    name: 'GroupNormalization, opset 21',
    opset: 21,
    x: image,
    nodes: one('GroupNormalization', { num_groups: i(2) }, ['g', 'b']),
    tensors: { g: random([4]), b: random([4]) },
    last: 6,
  },
  ...(['Div', 'Mul'] as const).map(
    (end): OpCase => ({
      name: `LayerNorm written out, ending in ${end}`,
      x: [3, 6],
      nodes: [
        ['ReduceMean', ['x'], ['m'], { axes: is(-1) }],
        ['Sub', ['x', 'm'], ['d']],
        ['Pow', ['d', 'two'], ['d2']],
        ['ReduceMean', ['d2'], ['v'], { axes: is(-1) }],
        ['Add', ['v', 'eps'], ['ve']],
        ['Sqrt', ['ve'], ['r']],
        ...(end === 'Div'
          ? ([['Div', ['d', 'r'], ['n']]] as const)
          : ([
              ['Reciprocal', ['r'], ['q']],
              ['Mul', ['d', 'q'], ['n']],
            ] as const)),
        ['Mul', ['n', 'g'], ['s']],
        ['Add', ['s', 'b'], ['z']],
      ],
      tensors: { two: scalar(2), eps: scalar(1e-3), g: random([6]), b: random([6]) },
      last: 6,
    }),
  ),
  {
    name: 'LayerNorm written out over channels',
    x: image,
    nodes: [
      ['ReduceMean', ['x'], ['m'], { axes: is(1) }],
      ['Sub', ['x', 'm'], ['d']],
      ['Mul', ['d', 'd'], ['d2']],
      ['ReduceMean', ['d2'], ['v'], { axes: is(1) }],
      ['Add', ['v', 'eps'], ['ve']],
      ['Sqrt', ['ve'], ['r']],
      ['Div', ['d', 'r'], ['z']],
    ],
    tensors: { eps: scalar(1e-3) },
    last: 6,
  },
];
