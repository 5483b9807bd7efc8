/** Graphs out of thin air: every known operation on what came before, with attributes and constants plausible or absurd. */
import fc from 'fast-check';
import {
  type FileSpec,
  onnxFile,
  type TestAttribute,
  type TestNode,
  type TestTensor,
} from '../support/onnx-file.js';
import { HOSTILE_NAMES, hostileInt } from './hostile-values.js';
import { SENSIBLE_NODES, SENSIBLE_TENSORS } from './sensible-nodes.js';

const OPS = [
  'Conv',
  'ConvTranspose',
  'Gemm',
  'MatMul',
  'Relu',
  'LeakyRelu',
  'PRelu',
  'Clip',
  'Elu',
  'Sigmoid',
  'HardSwish',
  'Softmax',
  'Erf',
  'Tanh',
  'MaxPool',
  'AveragePool',
  'GlobalAveragePool',
  'GlobalMaxPool',
  'BatchNormalization',
  'LayerNormalization',
  'GroupNormalization',
  'InstanceNormalization',
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Pow',
  'Min',
  'Max',
  'Sum',
  'Mean',
  'Neg',
  'Sqrt',
  'Concat',
  'Reshape',
  'Flatten',
  'Transpose',
  'Squeeze',
  'Unsqueeze',
  'Slice',
  'Split',
  'Gather',
  'Expand',
  'Tile',
  'Pad',
  'Resize',
  'Upsample',
  'ReduceMean',
  'ReduceSum',
  'ReduceMax',
  'ReduceL2',
  'DepthToSpace',
  'SpaceToDepth',
  'Identity',
  'Dropout',
  'Cast',
  'CastLike',
  'Shape',
  'Size',
  'Constant',
  'ConstantOfShape',
  'Range',
  'NonZero',
  'Where',
  'Equal',
  'CumSum',
  'Mod',
  'Floor',
  'ReduceProd',
  'If',
  'Loop',
  'LSTM',
  'QLinearConv',
  'toString',
];
const INTS = [
  'axis',
  'group',
  'ceil_mode',
  'count_include_pad',
  'keepdims',
  'to',
  'transA',
  'transB',
  'blocksize',
  'num_outputs',
  'allowzero',
  'start',
  'end',
  'num_groups',
  'antialias',
  'noop_with_empty_axes',
  'value_int',
];
const LISTS = [
  'axes',
  'perm',
  'pads',
  'kernel_shape',
  'strides',
  'dilations',
  'output_shape',
  'output_padding',
  'shape',
  'split',
  'starts',
  'ends',
  'value_ints',
];
const FLOATS = ['alpha', 'beta', 'epsilon', 'value', 'min', 'max', 'gamma'];
const WORDS: Readonly<Record<string, readonly string[]>> = {
  mode: [
    'nearest',
    'linear',
    'cubic',
    'constant',
    'reflect',
    'edge',
    'wrap',
    'DCR',
    'CRD',
    'constructor',
    '__proto__',
  ],
  auto_pad: ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER', 'toString'],
  nearest_mode: ['floor', 'ceil', 'round_prefer_floor', 'valueOf'],
  coordinate_transformation_mode: ['half_pixel', 'align_corners', 'asymmetric', 'tf_crop_and_resize'],
  approximate: ['tanh', 'none'],
};

const attribute: fc.Arbitrary<[string, TestAttribute]> = fc.oneof(
  fc.tuple(
    fc.constantFrom(...INTS),
    hostileInt.map((i) => ({ i })),
  ),
  fc.tuple(
    fc.constantFrom(...LISTS),
    fc.array(hostileInt, { maxLength: 6 }).map((list) => ({ ints: list })),
  ),
  fc.tuple(
    fc.constantFrom(...FLOATS),
    fc.constantFrom(0, 1, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e30).map((f) => ({ f })),
  ),
  fc.constantFrom(...Object.keys(WORDS)).chain((name) =>
    fc.tuple(
      fc.constant(name),
      fc.constantFrom(...WORDS[name]!).map((s) => ({ s })),
    ),
  ),
  fc.constant<[string, TestAttribute]>(['body', { graph: true }]),
);

/** Inputs and outputs by number, so that most nodes hang together. */
const node = fc.record({
  op: fc.oneof(
    { weight: 30, arbitrary: fc.constantFrom(...OPS) },
    { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_NAMES) },
  ),
  inputs: fc.array(fc.nat(40), { maxLength: 4 }),
  outputs: fc.oneof({ weight: 6, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat(3) }),
  attributes: fc.array(attribute, { maxLength: 3 }),
  rename: fc.nat(600),
  /** Which of the sensible nodes it is, if any, and how many of its attributes are replaced. */
  sensible: fc.option(fc.nat(SENSIBLE_NODES.length - 1), { nil: undefined, freq: 4 }),
  replaced: fc.constantFrom(0, 0, 0, 0, 1),
});

const float = fc.constantFrom(0, 1, -1, 0.5, 2, 3.5, 1, 0.25, 0.1, -2, Number.NaN, 1e38);
const filled = (dims: readonly number[], value: number): TestTensor => ({
  dims,
  data: new Array<number>(dims.reduce((size, dim) => size * dim, 1)).fill(value),
});
/** Weights and per-channel constants that fit the inputs below. */
const WEIGHTS: readonly (readonly number[])[] = [
  [4, 4, 3, 3],
  [4, 4, 1, 1],
  [4, 1, 3, 3],
  [4, 4, 3],
  [4],
  [1, 4, 1, 1],
  [256, 4],
  [4, 256],
  [8, 8],
  [],
  [1],
];

const tensor: fc.Arbitrary<TestTensor> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.tuple(fc.constantFrom(...WEIGHTS), float).map(([dims, value]) => filled(dims, value)),
  },
  // Shapes, axes, indices.
  {
    weight: 16,
    arbitrary: fc
      .array(hostileInt, { maxLength: 6 })
      .map((list): TestTensor => ({ dims: [list.length], data: list, type: 'int64' })),
  },
  { weight: 8, arbitrary: hostileInt.map((one): TestTensor => ({ dims: [], data: [one], type: 'int64' })) },
  // Shapes that their data contradict.
  {
    weight: 1,
    arbitrary: fc
      .array(hostileInt, { maxLength: 4 })
      .map((dims): TestTensor => ({ dims, data: [1, 2, 3, 4], storage: 'list' })),
  },
);

const spec: fc.Arbitrary<FileSpec> = fc
  .record({
    opset: fc.constantFrom(7, 9, 11, 13, 17, 18, 21, 99),
    batch: fc.constantFrom<(number | string)[]>('N', 'N', 1, 4),
    shape: fc.oneof(
      {
        weight: 20,
        arbitrary: fc.constantFrom<number[][]>([4, 8, 8], [4, 8, 8], [4, 8, 8], [4, 8], [256], [4, 4, 4, 4]),
      },
      { weight: 1, arbitrary: fc.array(hostileInt, { maxLength: 5 }) },
    ),
    tensors: fc.array(tensor, { minLength: 2, maxLength: 6 }),
    nodes: fc.array(node, { minLength: 1, maxLength: 8 }),
  })
  .map(({ opset, batch, shape, tensors, nodes }) => {
    const names = [...tensors.map((_, i) => `c${i}`), 'x'];
    const made: TestNode[] = nodes.map(
      ({ op, inputs, outputs, attributes, rename, sensible, replaced }, n) => {
        if (sensible !== undefined) {
          const [sensibleOp, others, own = {}] = SENSIBLE_NODES[sensible]!;
          const from = [names.at(-1)!, ...others];
          names.push(`n${n}`);
          return [
            sensibleOp,
            from,
            [`n${n}`],
            { ...own, ...Object.fromEntries(attributes.slice(0, replaced)) },
          ];
        }
        const from = inputs.map((i, k) =>
          k === 0 && i % 3 > 0
            ? (names.at(-1) as string)
            : i === 40
              ? `later${n}`
              : (names[i % names.length] as string),
        );
        const to = Array.from({ length: outputs }, (_, k) =>
          rename < HOSTILE_NAMES.length ? HOSTILE_NAMES[rename]! : `n${n}_${k}`,
        );
        names.push(...to);
        return [op, from, to, Object.fromEntries(attributes)];
      },
    );
    const constants = { ...SENSIBLE_TENSORS, ...Object.fromEntries(tensors.map((one, i) => [`c${i}`, one])) };
    return {
      opset,
      inputs: { x: [batch, ...shape] },
      outputs: [names.at(-1) as string],
      tensors: constants,
      nodes: made,
    };
  });

export const hostileGraph: fc.Arbitrary<Uint8Array> = spec.map(onnxFile);
