/** Nodes that fit data of [N, 4, 8, 8], so that hostile ones come to stand behind something that works. */
import { ints, type TestAttribute, type TestTensor } from '../support/onnx-file.js';

const weights = (...dims: number[]): TestTensor => ({
  dims,
  data: Array.from(
    { length: dims.reduce((size, dim) => size * dim, 1) },
    (_, i) => ((i * 7) % 11) / 10 - 0.45,
  ),
});

/** Constants the nodes below name. */
export const SENSIBLE_TENSORS: Readonly<Record<string, TestTensor>> = {
  k3: weights(4, 4, 3, 3),
  depthwise: weights(4, 1, 3, 3),
  square: weights(8, 8),
  perChannel: weights(4),
  positive: { dims: [4], data: [1, 2, 1, 0.5] },
  perWidth: weights(8),
  scale: weights(1, 4, 1, 1),
  flat: ints(0, -1),
  back: ints(0, 4, 8, 8),
  zero: ints(0),
  one: ints(1),
  two: ints(2),
  axes23: ints(2, 3),
  picks: ints(3, 1, 0, 2),
  halves: ints(2, 2),
  padding: ints(0, 0, 1, 1, 0, 0, 1, 1),
  grown: ints(1, 4, 8, 8),
  twice: { dims: [4], data: [1, 1, 2, 2] },
};

type Sensible = readonly [
  op: string,
  inputs: readonly string[],
  attributes?: Readonly<Record<string, TestAttribute>>,
];
const list = (...numbers: number[]): TestAttribute => ({ ints: numbers });

/** Op, inputs after the first, attributes. */
export const SENSIBLE_NODES: readonly Sensible[] = [
  ['Conv', ['k3'], { pads: list(1, 1, 1, 1) }],
  ['Conv', ['k3', 'perChannel'], { pads: list(1, 1, 1, 1), strides: list(2, 2) }],
  ['Conv', ['depthwise'], { pads: list(1, 1, 1, 1), group: { i: 4 } }],
  ['ConvTranspose', ['k3'], { strides: list(2, 2), pads: list(1, 1, 1, 1), output_padding: list(1, 1) }],
  ['MatMul', ['square']],
  ['Relu', []],
  ['LeakyRelu', [], { alpha: { f: 0.1 } }],
  ['HardSwish', []],
  ['Sigmoid', []],
  ['Tanh', []],
  ['Softmax', [], { axis: { i: 1 } }],
  ['MaxPool', [], { kernel_shape: list(2, 2), strides: list(2, 2) }],
  ['AveragePool', [], { kernel_shape: list(3, 3), pads: list(1, 1, 1, 1), ceil_mode: { i: 1 } }],
  ['GlobalAveragePool', []],
  ['BatchNormalization', ['positive', 'perChannel', 'perChannel', 'positive']],
  ['InstanceNormalization', ['positive', 'perChannel']],
  ['LayerNormalization', ['perWidth', 'perWidth']],
  ['Add', ['scale']],
  ['Mul', ['scale']],
  ['Mul', ['x']],
  ['Add', ['x']],
  ['Concat', ['x'], { axis: { i: 1 } }],
  ['Reshape', ['flat']],
  ['Reshape', ['back']],
  ['Flatten', []],
  ['Transpose', [], { perm: list(0, 2, 3, 1) }],
  ['Unsqueeze', ['one']],
  ['Squeeze', ['one']],
  ['Slice', ['zero', 'two', 'one', 'one']],
  ['Gather', ['picks'], { axis: { i: 1 } }],
  ['Split', ['halves'], { axis: { i: 1 } }],
  ['Expand', ['grown']],
  ['Pad', ['padding'], { mode: { s: 'reflect' } }],
  [
    'Resize',
    ['', 'twice'],
    {
      mode: { s: 'nearest' },
      coordinate_transformation_mode: { s: 'asymmetric' },
      nearest_mode: { s: 'floor' },
    },
  ],
  ['ReduceMean', ['axes23'], { keepdims: { i: 1 } }],
  ['DepthToSpace', [], { blocksize: { i: 2 } }],
  ['SpaceToDepth', [], { blocksize: { i: 2 } }],
  ['Clip', [], {}],
];
