import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../src/plan/load.js';
import { forward } from '../support/forward.js';
import { ints, onnxFile, scalar, type TestNode, type TestTensor } from '../support/onnx-file.js';
import { uniform } from '../support/random.js';

/** Every operator form against onnxruntime: f of the Plan, in float64, equals what a runtime computes. */
interface Case {
  readonly name: string;
  readonly opset?: number;
  /** Shape of one sample. */
  readonly x: readonly number[];
  /** From x to z, which a MatMul with `last` rows follows, so that nothing here is in the tail. */
  readonly nodes: readonly TestNode[];
  readonly tensors?: Readonly<Record<string, TestTensor>>;
  readonly last: number;
  /** Written into the file instead of a symbolic batch. */
  readonly batch?: number;
  readonly domains?: Readonly<Record<string, number>>;
  /** Makes x positive, for functions that need it. */
  readonly positive?: boolean;
}

let seed = 1;
function random(dims: readonly number[], low = -1, high = 1): TestTensor {
  const next = uniform(seed++);
  return { dims, data: Float32Array.from({ length: dims.reduce((size, dim) => size * dim, 1) }, () => low + (high - low) * next()) };
}

const i = (value: number) => ({ i: value });
const f = (value: number) => ({ f: value });
const s = (value: string) => ({ s: value });
const is = (...values: number[]) => ({ ints: values });

/** One operator from x to z. */
function one(op: string, attributes: TestNode[3] = {}, more: readonly string[] = []): readonly TestNode[] {
  return [[op, ['x', ...more], ['z'], attributes]];
}

const image = [4, 7, 6];
const cases: readonly Case[] = [
  // ---- convolutions
  { name: 'Conv', x: image, nodes: one('Conv', {}, ['w', 'b']), tensors: { w: random([3, 4, 3, 2]), b: random([3]) }, last: 5 },
  { name: 'Conv, groups, strides, dilations, asymmetric pads', x: image, nodes: one('Conv', { group: i(2), strides: is(2, 1), dilations: is(1, 2), pads: is(1, 0, 2, 3), kernel_shape: is(3, 3) }, ['w']), tensors: { w: random([6, 2, 3, 3]) }, last: 5 },
  { name: 'Conv, SAME_UPPER', x: image, nodes: one('Conv', { auto_pad: s('SAME_UPPER'), strides: is(2, 2) }, ['w']), tensors: { w: random([2, 4, 3, 4]) }, last: 3 },
  { name: 'Conv, SAME_LOWER', x: image, nodes: one('Conv', { auto_pad: s('SAME_LOWER'), strides: is(2, 2) }, ['w']), tensors: { w: random([2, 4, 2, 3]) }, last: 3 },
  { name: 'Conv, VALID', x: image, nodes: one('Conv', { auto_pad: s('VALID') }, ['w']), tensors: { w: random([2, 4, 2, 3]) }, last: 4 },
  { name: 'Conv, 1-D', x: [4, 9], nodes: one('Conv', { pads: is(1, 2), strides: is(2) }, ['w', 'b']), tensors: { w: random([3, 4, 3]), b: random([3]) }, last: 5 },
  { name: 'Conv, 3-D, depthwise', x: [2, 4, 5, 3], nodes: one('Conv', { group: i(2), pads: is(1, 1, 1, 0, 1, 0) }, ['w']), tensors: { w: random([4, 1, 2, 3, 2]) }, last: 3 },
  { name: 'ConvTranspose', x: image, nodes: one('ConvTranspose', { strides: is(2, 3), pads: is(1, 0, 1, 2), output_padding: is(1, 0) }, ['w', 'b']), tensors: { w: random([4, 3, 3, 3]), b: random([3]) }, last: 16 },
  { name: 'ConvTranspose, groups and dilations', x: image, nodes: one('ConvTranspose', { group: i(2), dilations: is(2, 1), strides: is(1, 2) }, ['w']), tensors: { w: random([4, 2, 2, 2]) }, last: 12 },
  { name: 'ConvTranspose, output_shape', x: image, nodes: one('ConvTranspose', { strides: is(2, 2), output_shape: is(13, 11) }, ['w']), tensors: { w: random([4, 2, 3, 3]) }, last: 11 },
  { name: 'ConvTranspose, SAME_UPPER', x: image, nodes: one('ConvTranspose', { strides: is(2, 2), auto_pad: s('SAME_UPPER') }, ['w']), tensors: { w: random([4, 2, 3, 3]) }, last: 12 },
  { name: 'ConvTranspose, 1-D', x: [3, 5], nodes: one('ConvTranspose', { strides: is(2) }, ['w']), tensors: { w: random([3, 2, 3]) }, last: 11 },
  // ---- dense layers
  { name: 'Gemm, alpha, beta, C by rows of one', x: [5], nodes: one('Gemm', { alpha: f(0.5), beta: f(-2) }, ['w', 'c']), tensors: { w: random([5, 3]), c: random([1, 3]) }, last: 3 },
  { name: 'Gemm, transB, scalar C', x: [5], nodes: one('Gemm', { transB: i(1) }, ['w', 'c']), tensors: { w: random([3, 5]), c: random([]) }, last: 3 },
  { name: 'Gemm, C computed', x: [5], nodes: [['Gemm', ['x', 'v'], ['d'], {}], ['Gemm', ['x', 'w', 'd'], ['z'], { beta: f(3) }]], tensors: { w: random([5, 3]), v: random([5, 3]) }, last: 3 },
  { name: 'MatMul over positions', x: [2, 3, 5], nodes: one('MatMul', {}, ['w']), tensors: { w: random([5, 4]) }, last: 4 },
  { name: 'MatMul by a vector', x: [2, 3, 5], nodes: one('MatMul', {}, ['w']), tensors: { w: random([5]) }, last: 3 },
  { name: 'MatMul from the left', x: [5, 3], nodes: [['MatMul', ['w', 'x'], ['z']]], tensors: { w: random([4, 5]) }, last: 3 },
  { name: 'MatMul from the left, stacked', x: [2, 5, 3], nodes: [['MatMul', ['w', 'x'], ['z']]], tensors: { w: random([1, 4, 5]) }, last: 3 },
  {
    name: 'a weight behind Identity, Transpose, Reshape, Unsqueeze, Squeeze and Cast',
    x: [6],
    nodes: [
      ['Identity', ['w'], ['w1']],
      ['Reshape', ['w1', 'shape'], ['w2']],
      ['Transpose', ['w2'], ['w3'], { perm: is(2, 0, 1) }],
      ['Unsqueeze', ['w3', 'axis'], ['w4']],
      ['Squeeze', ['w4', 'axis'], ['w5']],
      ['Cast', ['w5'], ['w6'], { to: i(1) }],
      ['Reshape', ['w6', 'flat'], ['w7']],
      ['MatMul', ['x', 'w7'], ['z']],
    ],
    tensors: { w: random([4, 6]), shape: ints(2, 2, 6), axis: ints(0), flat: ints(6, 4) },
    last: 4,
  },
  // ---- norms
  { name: 'BatchNormalization', x: image, nodes: one('BatchNormalization', { epsilon: f(0.01) }, ['g', 'b', 'm', 'v']), tensors: { g: random([4]), b: random([4]), m: random([4]), v: random([4], 0.5, 2) }, last: 6 },
  { name: 'BatchNormalization of vectors, opset 9', opset: 9, x: [5], nodes: one('BatchNormalization', {}, ['g', 'b', 'm', 'v']), tensors: { g: random([5]), b: random([5]), m: random([5]), v: random([5], 0.5, 2) }, last: 5 },
  { name: 'LayerNormalization', x: image, nodes: one('LayerNormalization', {}, ['g', 'b']), tensors: { g: random([6]), b: random([6]) }, last: 6 },
  { name: 'LayerNormalization over two axes', x: image, nodes: one('LayerNormalization', { axis: i(2), epsilon: f(0.1) }, ['g']), tensors: { g: random([7, 6]) }, last: 6 },
  { name: 'InstanceNormalization', x: image, nodes: one('InstanceNormalization', { epsilon: f(0.1) }, ['g', 'b']), tensors: { g: random([4]), b: random([4]) }, last: 6 },
  { name: 'GroupNormalization, opset 21', opset: 21, x: image, nodes: one('GroupNormalization', { num_groups: i(2) }, ['g', 'b']), tensors: { g: random([4]), b: random([4]) }, last: 6 },
  ...(['Div', 'Mul'] as const).map((end): Case => ({
    name: `LayerNorm written out, ending in ${end}`,
    x: [3, 6],
    nodes: [
      ['ReduceMean', ['x'], ['m'], { axes: is(-1) }],
      ['Sub', ['x', 'm'], ['d']],
      ['Pow', ['d', 'two'], ['d2']],
      ['ReduceMean', ['d2'], ['v'], { axes: is(-1) }],
      ['Add', ['v', 'eps'], ['ve']],
      ['Sqrt', ['ve'], ['r']],
      ...(end === 'Div' ? ([['Div', ['d', 'r'], ['n']]] as const) : ([['Reciprocal', ['r'], ['q']], ['Mul', ['d', 'q'], ['n']]] as const)),
      ['Mul', ['n', 'g'], ['s']],
      ['Add', ['s', 'b'], ['z']],
    ],
    tensors: { two: scalar(2), eps: scalar(1e-3), g: random([6]), b: random([6]) },
    last: 6,
  })),
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
  // ---- pools and reductions
  { name: 'MaxPool', x: image, nodes: one('MaxPool', { kernel_shape: is(3, 2), strides: is(2, 2), pads: is(1, 0, 1, 1) }), last: 3 },
  { name: 'MaxPool, ceil_mode and dilations', x: image, nodes: one('MaxPool', { kernel_shape: is(2, 2), strides: is(2, 2), dilations: is(2, 1), ceil_mode: i(1) }), last: 3 },
  { name: 'MaxPool, SAME_LOWER', x: image, nodes: one('MaxPool', { kernel_shape: is(2, 2), auto_pad: s('SAME_LOWER') }), last: 6 },
  { name: 'MaxPool, 1-D', x: [3, 8], nodes: one('MaxPool', { kernel_shape: is(3) }), last: 6 },
  { name: 'MaxPool, 3-D', x: [2, 4, 4, 5], nodes: one('MaxPool', { kernel_shape: is(2, 2, 2), strides: is(2, 2, 2) }), last: 2 },
  { name: 'AveragePool', x: image, nodes: one('AveragePool', { kernel_shape: is(3, 3), strides: is(2, 2), pads: is(1, 1, 1, 1) }), last: 3 },
  { name: 'AveragePool, count_include_pad', x: image, nodes: one('AveragePool', { kernel_shape: is(3, 3), strides: is(2, 2), pads: is(1, 1, 1, 1), count_include_pad: i(1) }), last: 3 },
  { name: 'AveragePool, ceil_mode', x: image, nodes: one('AveragePool', { kernel_shape: is(2, 2), strides: is(2, 2), ceil_mode: i(1) }), opset: 19, last: 3 },
  { name: 'AveragePool, dilations', x: image, nodes: one('AveragePool', { kernel_shape: is(2, 2), dilations: is(2, 3) }), opset: 19, last: 3 },
  { name: 'GlobalAveragePool', x: image, nodes: one('GlobalAveragePool'), last: 1 },
  { name: 'GlobalMaxPool', x: image, nodes: one('GlobalMaxPool'), last: 1 },
  { name: 'ReduceMean, axes attribute', x: image, nodes: one('ReduceMean', { axes: is(2, -1), keepdims: i(0) }), last: 4 },
  { name: 'ReduceMean, axes input', opset: 18, x: image, nodes: one('ReduceMean', {}, ['a']), tensors: { a: ints(2) }, last: 6 },
  { name: 'ReduceSum, axes input', x: image, nodes: one('ReduceSum', { keepdims: i(0) }, ['a']), tensors: { a: ints(-2) }, last: 6 },
  { name: 'ReduceSum of nothing', x: image, nodes: one('ReduceSum', { noop_with_empty_axes: i(1) }), last: 6 },
  { name: 'ReduceMax over the first axes', x: image, nodes: one('ReduceMax', { axes: is(1, 2), keepdims: i(0) }), last: 6 },
  // ---- resizes and pads
  ...(['half_pixel', 'pytorch_half_pixel', 'align_corners'] as const).flatMap((mode) => [
    { name: `Resize linear ${mode} up`, x: image, nodes: one('Resize', { mode: s('linear'), coordinate_transformation_mode: s(mode) }, ['', '', 'sizes']), tensors: { sizes: ints(2, 4, 13, 15) }, last: 15, batch: 2 },
    { name: `Resize linear ${mode} by scales`, x: image, nodes: one('Resize', { mode: s('linear'), coordinate_transformation_mode: s(mode) }, ['', 'scales']), tensors: { scales: { dims: [4], data: [1, 1, 0.6, 1.7] } }, last: 10 },
  ]),
  ...(['asymmetric', 'half_pixel', 'align_corners'] as const).slice(0, 2).map((mode) => ({
    name: `Resize nearest ${mode}`,
    x: image,
    nodes: one('Resize', { mode: s('nearest'), coordinate_transformation_mode: s(mode), nearest_mode: s(mode === 'asymmetric' ? 'floor' : 'round_prefer_floor') }, ['', 'scales']),
    tensors: { scales: { dims: [4], data: [1, 1, 2, 3] } },
    last: 18,
  })),
  { name: 'Resize, axes', opset: 18, x: image, nodes: one('Resize', { mode: s('linear'), axes: is(2, 3) }, ['', '', 'sizes']), tensors: { sizes: ints(9, 8) }, last: 8 },
  { name: 'Resize, opset 10', opset: 10, x: image, nodes: one('Resize', { mode: s('nearest') }, ['scales']), tensors: { scales: { dims: [4], data: [1, 1, 2, 2] } }, last: 12 },
  { name: 'Upsample, opset 9', opset: 9, x: image, nodes: one('Upsample', { mode: s('nearest') }, ['scales']), tensors: { scales: { dims: [4], data: [1, 1, 2, 2] } }, last: 12 },
  { name: 'Upsample, opset 7', opset: 7, x: image, nodes: one('Upsample', { mode: s('nearest'), scales: { floats: [1, 1, 2, 2] } }), last: 12 },
  { name: 'Pad constant', x: image, nodes: one('Pad', {}, ['p', 'v']), tensors: { p: ints(0, 1, 2, 0, 0, 0, 1, 3), v: scalar(0.5) }, last: 9 },
  { name: 'Pad reflect', x: image, nodes: one('Pad', { mode: s('reflect') }, ['p']), tensors: { p: ints(0, 0, 2, 3, 0, 0, 1, 4) }, last: 13 },
  { name: 'Pad edge, cropping one side', x: image, nodes: one('Pad', { mode: s('edge') }, ['p']), tensors: { p: ints(0, 0, 2, -1, 0, 0, 1, 4) }, last: 9 },
  { name: 'Pad wrap, axes input', opset: 19, x: image, nodes: one('Pad', { mode: s('wrap') }, ['p', '', 'a']), tensors: { p: ints(2, 3), a: ints(-1) }, last: 11 },
  { name: 'Pad, opset 10', opset: 10, x: image, nodes: one('Pad', { pads: is(0, 0, 1, 1, 0, 0, 1, 1), value: f(2) }), last: 8 },
  // ---- arithmetic
  { name: 'Add, Sub, Mul, Div by constants', x: image, nodes: [['Add', ['x', 'c'], ['a']], ['Sub', ['a', 'd'], ['b']], ['Mul', ['b', 'c'], ['e']], ['Div', ['e', 'two'], ['z']]], tensors: { c: random([4, 1, 1]), d: random([1, 1, 7, 1]), two: scalar(2) }, last: 6 },
  { name: 'constant minus data', x: image, nodes: [['Sub', ['c', 'x'], ['z']]], tensors: { c: random([6]) }, last: 6 },
  { name: 'a constant that enlarges', x: [4, 1, 6], nodes: [['Add', ['x', 'c'], ['a']], ['Mul', ['a', 'd'], ['z']]], tensors: { c: random([5, 1]), d: random([5, 6]) }, last: 6 },
  { name: 'Sum, Mean and Neg', x: image, nodes: [['Neg', ['x'], ['n']], ['Relu', ['n'], ['r']], ['Sum', ['x', 'r', 'c'], ['t']], ['Mean', ['t', 'r', 'x'], ['z']]], tensors: { c: random([6]) }, last: 6 },
  { name: 'data plus broadcast data', x: image, nodes: [['GlobalAveragePool', ['x'], ['p']], ['Sub', ['p', 'x'], ['z']]], last: 6 },
  { name: 'Min and Max as bounds', x: image, nodes: [['Max', ['x', 'low'], ['a']], ['Min', ['high', 'a'], ['z']]], tensors: { low: scalar(-0.25), high: scalar(0.5) }, last: 6 },
  // ---- activations
  ...(['Relu', 'Tanh', 'Selu'] as const).map((op) => ({ name: op, x: image, nodes: one(op), last: 6 })),
  { name: 'LeakyRelu', x: image, nodes: one('LeakyRelu', { alpha: f(0.3) }), last: 6 },
  { name: 'PRelu', x: image, nodes: one('PRelu', {}, ['s']), tensors: { s: random([4, 1, 1]) }, last: 6 },
  { name: 'Clip, inputs', x: image, nodes: one('Clip', {}, ['', 'high']), tensors: { high: scalar(0.5) }, last: 6 },
  { name: 'Clip, attributes', opset: 9, x: image, nodes: one('Clip', { min: f(-0.25), max: f(0.5) }), last: 6 },
  { name: 'Elu', x: image, nodes: one('Elu', { alpha: f(0.7) }), last: 6 },
  { name: 'Celu', x: image, nodes: one('Celu', { alpha: f(0.7) }), last: 6 },
  { name: 'Gelu', opset: 20, x: image, nodes: one('Gelu'), last: 6 },
  { name: 'Gelu, tanh', opset: 20, x: image, nodes: one('Gelu', { approximate: s('tanh') }), last: 6 },
  { name: 'HardSwish', x: image, nodes: one('HardSwish'), last: 6 },
  { name: 'Mish', opset: 18, x: image, nodes: one('Mish'), last: 6 },
  // ---- gates
  ...(['Sigmoid', 'HardSigmoid', 'Softplus', 'Exp', 'Erf', 'Abs'] as const).map((op) => ({ name: `x · ${op}`, x: image, nodes: [[op, ['x'], ['q']], ['Mul', ['q', 'x'], ['z']]] as const, last: 6 })),
  ...(['Sqrt', 'Log', 'Reciprocal'] as const).map((op) => ({ name: `x / ${op}`, x: image, positive: true, nodes: [[op, ['x'], ['q']], ['Div', ['x', 'q'], ['z']]] as const, last: 6 })),
  ...(['ReduceL1', 'ReduceL2', 'ReduceSumSquare'] as const).map((op) => ({ name: `x / ${op}`, x: image, nodes: [[op, ['x'], ['q'], { axes: is(1, 2) }], ['Div', ['x', 'q'], ['z']]] as const, last: 6 })),
  { name: 'x · x^1.5', x: image, positive: true, nodes: [['Pow', ['x', 'p'], ['q']], ['Mul', ['x', 'q'], ['z']]], tensors: { p: scalar(1.5) }, last: 6 },
  { name: 'Softmax', x: image, nodes: [['Softmax', ['x'], ['q'], { axis: i(1) }], ['Mul', ['x', 'q'], ['z']]], last: 6 },
  { name: 'Softmax over the rest, opset 11', opset: 11, x: image, nodes: [['Softmax', ['x'], ['q'], { axis: i(2) }], ['Mul', ['x', 'q'], ['z']]], last: 6 },
  { name: 'LogSoftmax', x: image, nodes: [['LogSoftmax', ['x'], ['q']], ['Mul', ['x', 'q'], ['z']]], last: 6 },
  { name: 'gates with constants', x: image, nodes: [['Sigmoid', ['x'], ['q']], ['Sub', ['one', 'q'], ['r']], ['Max', ['r', 'half'], ['m']], ['Div', ['one', 'm'], ['d']], ['Mul', ['x', 'd'], ['z']]], tensors: { one: scalar(1), half: scalar(0.5) }, last: 6 },
  { name: 'a gate that enlarges the signal', x: [4, 1, 6], nodes: [['Transpose', ['x'], ['t'], { perm: is(0, 2, 1, 3) }], ['Sigmoid', ['t'], ['q']], ['Mul', ['x', 'q'], ['z']]], last: 6 },
  { name: 'Clip that moves zero inside a gate', x: image, nodes: [['Clip', ['x', 'low', 'high'], ['c']], ['Sigmoid', ['c'], ['q']], ['Mul', ['x', 'q'], ['z']]], tensors: { low: scalar(0.25), high: scalar(0.5) }, last: 6 },
  // ---- layout
  { name: 'Concat with a constant', x: image, nodes: [['Concat', ['x', 'c', 'x'], ['z'], { axis: i(-1) }]], tensors: { c: random([1, 4, 7, 2]) }, batch: 1, last: 14 },
  { name: 'Split, attribute', opset: 11, x: image, nodes: [['Split', ['x'], ['a', 'b'], { axis: i(3), split: is(2, 4) }], ['Concat', ['b', 'a'], ['z'], { axis: i(3) }]], last: 6 },
  { name: 'Split, input', x: image, nodes: [['Split', ['x', 'parts'], ['a', 'b'], { axis: i(1) }], ['Relu', ['a'], ['ra']], ['Concat', ['b', 'ra'], ['z'], { axis: i(1) }]], tensors: { parts: ints(1, 3) }, last: 6 },
  { name: 'Split, num_outputs', opset: 18, x: image, nodes: [['Split', ['x'], ['a', 'b'], { axis: i(2), num_outputs: i(2) }], ['Concat', ['b', 'a'], ['z'], { axis: i(2) }]], last: 6 },
  { name: 'Slice, attributes', opset: 9, x: image, nodes: one('Slice', { starts: is(1, -3), ends: is(1000, -1), axes: is(2, 3) }), last: 2 },
  { name: 'Slice, steps', x: image, nodes: one('Slice', {}, ['st', 'en', 'ax', 'sp']), tensors: { st: ints(0, -1), en: ints(2 ** 31, -1000), ax: ints(2, 3), sp: ints(2, -2) }, last: 3 },
  { name: 'Gather, list', x: image, nodes: one('Gather', { axis: i(3) }, ['k']), tensors: { k: ints(5, 0, -2, 0) }, last: 4 },
  { name: 'Gather, one', x: image, nodes: one('Gather', { axis: i(1) }, ['k']), tensors: { k: { dims: [], data: [2], type: 'int64' } }, last: 6 },
  { name: 'Gather, table', x: image, nodes: one('Gather', { axis: i(-1) }, ['k']), tensors: { k: { dims: [2, 2], data: [0, 1, 5, 2], type: 'int64' } }, last: 2 },
  { name: 'Expand', x: [4, 1, 6], nodes: one('Expand', {}, ['e']), tensors: { e: ints(1, 1, 3, 1) }, last: 6 },
  { name: 'Tile', x: image, nodes: one('Tile', {}, ['t']), tensors: { t: ints(1, 2, 1, 3) }, last: 18 },
  { name: 'Reshape with 0 and -1, Flatten', x: image, nodes: [['Reshape', ['x', 'r'], ['a']], ['Relu', ['a'], ['b']], ['Flatten', ['b'], ['z'], { axis: i(1) }]], tensors: { r: ints(0, 2, -1, 6) }, last: 168 },
  { name: 'Squeeze and Unsqueeze, inputs', x: [4, 1, 6], nodes: [['Squeeze', ['x', 'two'], ['a']], ['Unsqueeze', ['a', 'ends'], ['b']], ['Squeeze', ['b', 'ends'], ['z']]], tensors: { two: ints(2), ends: ints(1, -1) }, last: 6 },
  { name: 'Squeeze and Unsqueeze, attributes', opset: 11, x: [4, 1, 6], nodes: [['Squeeze', ['x'], ['a'], { axes: is(2) }], ['Unsqueeze', ['a'], ['z'], { axes: is(1) }]], last: 6 },
  { name: 'Transpose, Identity, Dropout, Cast', x: image, nodes: [['Transpose', ['x'], ['a'], { perm: is(0, 3, 1, 2) }], ['Identity', ['a'], ['b']], ['Dropout', ['b'], ['c']], ['Cast', ['c'], ['z'], { to: i(1) }]], last: 7 },
  ...(['DCR', 'CRD'] as const).map((mode) => ({ name: `DepthToSpace ${mode}`, x: [8, 2, 3], nodes: one('DepthToSpace', { blocksize: i(2), mode: s(mode) }), last: 6 })),
  { name: 'SpaceToDepth', x: [3, 4, 6], nodes: one('SpaceToDepth', { blocksize: i(2) }), last: 3 },
  // ---- the batch
  { name: 'a batch baked into Reshape', x: image, batch: 3, nodes: [['Reshape', ['x', 'r'], ['z']]], tensors: { r: ints(3, -1) }, last: 168 },
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
    nodes: [['Reshape', ['x', 'row'], ['r']], ['Gather', ['r', 'k'], ['z'], { axis: i(0) }]],
    tensors: { row: ints(-1), k: { dims: [2, 3, 2], data: [0, 3, 6, 9, 1, 2, 12, 15, 18, 21, 13, 14], type: 'int64' } },
    last: 2,
  },
  { name: 'half-precision and double weights', x: [4], nodes: [['Cast', ['h'], ['h32'], { to: i(1) }], ['MatMul', ['x', 'h32'], ['a']], ['Cast', ['d'], ['d32'], { to: i(1) }], ['MatMul', ['a', 'd32'], ['z']]], tensors: { h: { dims: [4, 2], data: [0.5, -1.25, 2, 0.125, -3, 1, 0, 0.75], type: 'float16' }, d: { dims: [2, 2], data: [0.5, -1.25, 2, 0.125], type: 'float64' } }, last: 2 },
];

async function runtime(bytes: Uint8Array, x: Float32Array, dims: readonly number[]): Promise<Float32Array> {
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 });
  const { y } = await session.run({ x: new Tensor('float32', x, dims) });
  return y!.data as Float32Array;
}

describe('f of the Plan equals onnxruntime', () => {
  it.each(cases)('$name', async ({ opset = 17, x: shape, nodes, tensors = {}, last, batch, positive, domains }) => {
    const samples = batch ?? 2;
    const head = random([last, 2]);
    const bytes = onnxFile({
      opset,
      ...(domains && { domains }),
      inputs: { x: [batch ?? 'n', ...shape] },
      outputs: ['y'],
      nodes: [...nodes, ['MatMul', ['z', 'head'], ['y']]],
      tensors: { ...tensors, head },
    });
    const size = shape.reduce((product, dim) => product * dim, 1);
    const next = uniform(size);
    const x = Float32Array.from({ length: samples * size }, () => (positive ? 0.1 + next() : 2 * next() - 1));
    const { plan, weights } = await loadModel(bytes);
    const trace = forward(plan, weights.map((w) => Float64Array.from(w)), Float64Array.from(x), samples, 'running');
    const y = trace.values[plan.outputs[0]!.value]!;
    const wanted = await runtime(bytes, x, [samples, ...shape]);
    expect(y.length).toBe(wanted.length);
    const scale = Math.max(...wanted.map(Math.abs), 1e-3);
    for (let k = 0; k < wanted.length; k++) expect(Math.abs(y[k]! - wanted[k]!)).toBeLessThan(2e-5 * scale);
  });
});
