import { ints } from '../onnx-file.js';
import { i, image, is, type OpCase, one, random, s } from './op-case.js';

export const LAYOUT_CASES: readonly OpCase[] = [
  // ---- layout
  {
    name: 'Concat with a constant',
    x: image,
    nodes: [['Concat', ['x', 'c', 'x'], ['z'], { axis: i(-1) }]],
    tensors: { c: random([1, 4, 7, 2]) },
    batch: 1,
    last: 14,
  },
  {
    name: 'Split, attribute',
    opset: 11,
    x: image,
    nodes: [
      ['Split', ['x'], ['a', 'b'], { axis: i(3), split: is(2, 4) }],
      ['Concat', ['b', 'a'], ['z'], { axis: i(3) }],
    ],
    last: 6,
  },
  {
    name: 'Split, input',
    x: image,
    nodes: [
      ['Split', ['x', 'parts'], ['a', 'b'], { axis: i(1) }],
      ['Relu', ['a'], ['ra']],
      ['Concat', ['b', 'ra'], ['z'], { axis: i(1) }],
    ],
    tensors: { parts: ints(1, 3) },
    last: 6,
  },
  {
    name: 'Split, num_outputs',
    opset: 18,
    x: image,
    nodes: [
      ['Split', ['x'], ['a', 'b'], { axis: i(2), num_outputs: i(2) }],
      ['Concat', ['b', 'a'], ['z'], { axis: i(2) }],
    ],
    last: 6,
  },
  {
    name: 'Slice, attributes',
    opset: 9,
    x: image,
    nodes: one('Slice', { starts: is(1, -3), ends: is(1000, -1), axes: is(2, 3) }),
    last: 2,
  },
  {
    name: 'Slice, steps',
    x: image,
    nodes: one('Slice', {}, ['st', 'en', 'ax', 'sp']),
    tensors: { st: ints(0, -1), en: ints(2 ** 31, -1000), ax: ints(2, 3), sp: ints(2, -2) },
    last: 3,
  },
  {
    name: 'Gather, list',
    x: image,
    nodes: one('Gather', { axis: i(3) }, ['k']),
    tensors: { k: ints(5, 0, -2, 0) },
    last: 4,
  },
  {
    name: 'Gather, one',
    x: image,
    nodes: one('Gather', { axis: i(1) }, ['k']),
    tensors: { k: { dims: [], data: [2], type: 'int64' } },
    last: 6,
  },
  {
    name: 'Gather, table',
    x: image,
    nodes: one('Gather', { axis: i(-1) }, ['k']),
    tensors: { k: { dims: [2, 2], data: [0, 1, 5, 2], type: 'int64' } },
    last: 2,
  },
  {
    name: 'Expand',
    x: [4, 1, 6],
    nodes: one('Expand', {}, ['e']),
    tensors: { e: ints(1, 1, 3, 1) },
    last: 6,
  },
  { name: 'Tile', x: image, nodes: one('Tile', {}, ['t']), tensors: { t: ints(1, 2, 1, 3) }, last: 18 },
  {
    name: 'Reshape with 0 and -1, Flatten',
    x: image,
    nodes: [
      ['Reshape', ['x', 'r'], ['a']],
      ['Relu', ['a'], ['b']],
      ['Flatten', ['b'], ['z'], { axis: i(1) }],
    ],
    tensors: { r: ints(0, 2, -1, 6) },
    last: 168,
  },
  {
    name: 'Squeeze and Unsqueeze, inputs',
    x: [4, 1, 6],
    nodes: [
      ['Squeeze', ['x', 'two'], ['a']],
      ['Unsqueeze', ['a', 'ends'], ['b']],
      ['Squeeze', ['b', 'ends'], ['z']],
    ],
    tensors: { two: ints(2), ends: ints(1, -1) },
    last: 6,
  },
  {
    name: 'Squeeze and Unsqueeze, attributes',
    opset: 11,
    x: [4, 1, 6],
    nodes: [
      ['Squeeze', ['x'], ['a'], { axes: is(2) }],
      ['Unsqueeze', ['a'], ['z'], { axes: is(1) }],
    ],
    last: 6,
  },
  {
    name: 'Transpose, Identity, Dropout, Cast',
    x: image,
    nodes: [
      ['Transpose', ['x'], ['a'], { perm: is(0, 3, 1, 2) }],
      ['Identity', ['a'], ['b']],
      ['Dropout', ['b'], ['c']],
      ['Cast', ['c'], ['z'], { to: i(1) }],
    ],
    last: 7,
  },
  ...(['DCR', 'CRD'] as const).map((mode) => ({
    name: `DepthToSpace ${mode}`,
    x: [8, 2, 3],
    nodes: one('DepthToSpace', { blocksize: i(2), mode: s(mode) }),
    last: 6,
  })),
  { name: 'SpaceToDepth', x: [3, 4, 6], nodes: one('SpaceToDepth', { blocksize: i(2) }), last: 3 },
  // ---- the batch
  {
    name: 'a batch baked into Reshape',
    x: image,
    batch: 3,
    nodes: [['Reshape', ['x', 'r'], ['z']]],
    tensors: { r: ints(3, -1) },
    last: 168,
  },
  {
    name: 'shape arithmetic',
    x: image,
    nodes: [
      ['Shape', ['x'], ['s']],
      ['Gather', ['s', 'zero'], ['n'], { axis: i(0) }],
      ['Unsqueeze', ['n', 'axis'], ['n1']],
      ['Concat', ['n1', 'rest'], ['to'], { axis: i(0) }],
      ['Reshape', ['x', 'to'], ['z']],
    ],
    tensors: { zero: { dims: [], data: [0], type: 'int64' }, axis: ints(0), rest: ints(4, -1) },
    last: 42,
  },
  {
    name: 'a constant made for every sample',
    x: [4, 6],
    nodes: [
      ['Shape', ['x'], ['s']],
      ['ConstantOfShape', ['s'], ['c'], { value: { t: { dims: [1], data: [0.5] } } }],
      ['Concat', ['x', 'c'], ['z'], { axis: i(2) }],
    ],
    batch: 1,
    last: 12,
  },
  {
    name: 'a batch in one row, split again by indices',
    x: [4, 3],
    batch: 2,
    nodes: [
      ['Reshape', ['x', 'row'], ['r']],
      ['Gather', ['r', 'k'], ['z'], { axis: i(0) }],
    ],
    tensors: {
      row: ints(-1),
      k: { dims: [2, 3, 2], data: [0, 3, 6, 9, 1, 2, 12, 15, 18, 21, 13, 14], type: 'int64' },
    },
    last: 2,
  },
  {
    name: 'half-precision and double weights',
    x: [4],
    nodes: [
      ['Cast', ['h'], ['h32'], { to: i(1) }],
      ['MatMul', ['x', 'h32'], ['a']],
      ['Cast', ['d'], ['d32'], { to: i(1) }],
      ['MatMul', ['a', 'd32'], ['z']],
    ],
    tensors: {
      h: { dims: [4, 2], data: [0.5, -1.25, 2, 0.125, -3, 1, 0, 0.75], type: 'float16' },
      d: { dims: [2, 2], data: [0.5, -1.25, 2, 0.125], type: 'float64' },
    },
    last: 2,
  },
];
