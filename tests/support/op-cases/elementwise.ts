import { scalar } from '../onnx-file.js';
import { f, i, image, is, type OpCase, one, random, s } from './op-case.js';

export const ELEMENTWISE_CASES: readonly OpCase[] = [
  // ---- arithmetic
  {
    name: 'Add, Sub, Mul, Div by constants',
    x: image,
    nodes: [
      ['Add', ['x', 'c'], ['a']],
      ['Sub', ['a', 'd'], ['b']],
      ['Mul', ['b', 'c'], ['e']],
      ['Div', ['e', 'two'], ['z']],
    ],
    tensors: { c: random([4, 1, 1]), d: random([1, 1, 7, 1]), two: scalar(2) },
    last: 6,
  },
  {
    name: 'constant minus data',
    x: image,
    nodes: [['Sub', ['c', 'x'], ['z']]],
    tensors: { c: random([6]) },
    last: 6,
  },
  {
    name: 'a constant that enlarges',
    x: [4, 1, 6],
    nodes: [
      ['Add', ['x', 'c'], ['a']],
      ['Mul', ['a', 'd'], ['z']],
    ],
    tensors: { c: random([5, 1]), d: random([5, 6]) },
    last: 6,
  },
  {
    name: 'Sum, Mean and Neg',
    x: image,
    nodes: [
      ['Neg', ['x'], ['n']],
      ['Relu', ['n'], ['r']],
      ['Sum', ['x', 'r', 'c'], ['t']],
      ['Mean', ['t', 'r', 'x'], ['z']],
    ],
    tensors: { c: random([6]) },
    last: 6,
  },
  {
    name: 'data plus broadcast data',
    x: image,
    nodes: [
      ['GlobalAveragePool', ['x'], ['p']],
      ['Sub', ['p', 'x'], ['z']],
    ],
    last: 6,
  },
  {
    name: 'Min and Max as bounds',
    x: image,
    nodes: [
      ['Max', ['x', 'low'], ['a']],
      ['Min', ['high', 'a'], ['z']],
    ],
    tensors: { low: scalar(-0.25), high: scalar(0.5) },
    last: 6,
  },
  // ---- activations
  ...(['Relu', 'Tanh', 'Selu'] as const).map((op) => ({ name: op, x: image, nodes: one(op), last: 6 })),
  { name: 'LeakyRelu', x: image, nodes: one('LeakyRelu', { alpha: f(0.3) }), last: 6 },
  { name: 'PRelu', x: image, nodes: one('PRelu', {}, ['s']), tensors: { s: random([4, 1, 1]) }, last: 6 },
  {
    name: 'Clip, inputs',
    x: image,
    nodes: one('Clip', {}, ['', 'high']),
    tensors: { high: scalar(0.5) },
    last: 6,
  },
  {
    name: 'Clip, attributes',
    opset: 9,
    x: image,
    nodes: one('Clip', { min: f(-0.25), max: f(0.5) }),
    last: 6,
  },
  { name: 'Elu', x: image, nodes: one('Elu', { alpha: f(0.7) }), last: 6 },
  { name: 'Celu', x: image, nodes: one('Celu', { alpha: f(0.7) }), last: 6 },
  { name: 'Gelu', opset: 20, x: image, nodes: one('Gelu'), last: 6 },
  { name: 'Gelu, tanh', opset: 20, x: image, nodes: one('Gelu', { approximate: s('tanh') }), last: 6 },
  { name: 'HardSwish', x: image, nodes: one('HardSwish'), last: 6 },
  { name: 'Mish', opset: 18, x: image, nodes: one('Mish'), last: 6 },
  // ---- gates
  ...(['Sigmoid', 'HardSigmoid', 'Softplus', 'Exp', 'Erf', 'Abs'] as const).map((op) => ({
    name: `x · ${op}`,
    x: image,
    nodes: [
      [op, ['x'], ['q']],
      ['Mul', ['q', 'x'], ['z']],
    ] as const,
    last: 6,
  })),
  ...(['Sqrt', 'Log', 'Reciprocal'] as const).map((op) => ({
    name: `x / ${op}`,
    x: image,
    positive: true,
    nodes: [
      [op, ['x'], ['q']],
      ['Div', ['x', 'q'], ['z']],
    ] as const,
    last: 6,
  })),
  ...(['ReduceL1', 'ReduceL2', 'ReduceSumSquare'] as const).map((op) => ({
    name: `x / ${op}`,
    x: image,
    nodes: [
      [op, ['x'], ['q'], { axes: is(1, 2) }],
      ['Div', ['x', 'q'], ['z']],
    ] as const,
    last: 6,
  })),
  {
    name: 'x · x^1.5',
    x: image,
    positive: true,
    nodes: [
      ['Pow', ['x', 'p'], ['q']],
      ['Mul', ['x', 'q'], ['z']],
    ],
    tensors: { p: scalar(1.5) },
    last: 6,
  },
  {
    name: 'Softmax',
    x: image,
    nodes: [
      ['Softmax', ['x'], ['q'], { axis: i(1) }],
      ['Mul', ['x', 'q'], ['z']],
    ],
    last: 6,
  },
  {
    name: 'Softmax over the rest, opset 11',
    opset: 11,
    x: image,
    nodes: [
      ['Softmax', ['x'], ['q'], { axis: i(2) }],
      ['Mul', ['x', 'q'], ['z']],
    ],
    last: 6,
  },
  {
    name: 'LogSoftmax',
    x: image,
    nodes: [
      ['LogSoftmax', ['x'], ['q']],
      ['Mul', ['x', 'q'], ['z']],
    ],
    last: 6,
  },
  {
    name: 'gates with constants',
    x: image,
    nodes: [
      ['Sigmoid', ['x'], ['q']],
      ['Sub', ['one', 'q'], ['r']],
      ['Max', ['r', 'half'], ['m']],
      ['Div', ['one', 'm'], ['d']],
      ['Mul', ['x', 'd'], ['z']],
    ],
    tensors: { one: scalar(1), half: scalar(0.5) },
    last: 6,
  },
  {
    name: 'a gate that enlarges the signal',
    x: [4, 1, 6],
    nodes: [
      ['Transpose', ['x'], ['t'], { perm: is(0, 2, 1, 3) }],
      ['Sigmoid', ['t'], ['q']],
      ['Mul', ['x', 'q'], ['z']],
    ],
    last: 6,
  },
  {
    name: 'Clip that moves zero inside a gate',
    x: image,
    nodes: [
      ['Clip', ['x', 'low', 'high'], ['c']],
      ['Sigmoid', ['c'], ['q']],
      ['Mul', ['x', 'q'], ['z']],
    ],
    tensors: { low: scalar(0.25), high: scalar(0.5) },
    last: 6,
  },
];
