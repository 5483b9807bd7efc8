import type { ValueId } from '../../graph/graph.js';
import { broadcastDims, expandTensor, sizeOf, type Tensor } from '../../graph/tensor.js';
import type { NodeContext } from '../context.js';
import { reshapeWeight, transposeWeight } from '../weight-view.js';
import type { Converter, OpRow } from './converter.js';
import { ATTENTION, ATTENTION_REMEDY } from './refused.js';

/** Y = alpha · A · B + beta · C with the batch as A's rows. */
const gemm: Converter = (ctx) => {
  if (!ctx.isConstant(0) && !ctx.isConstant(1)) ctx.refuse(ATTENTION, ATTENTION_REMEDY);
  if (ctx.isConstant(0) || ctx.int('transA', 0) === 1) {
    ctx.refuse('the batch is not in the rows of its result', 'export the layer as x · W');
  }
  const { id: input, shape } = ctx.value(0);
  const given = ctx.weight(1);
  if (given.dims.length !== 2 || shape.length !== 1)
    ctx.malformed(`a product of shapes [N,${shape}] and [${given.dims}]`);
  const weight = ctx.int('transB', 0) === 1 ? transposeWeight(given, [1, 0]) : given;
  const [inSize, outSize] = weight.dims as [number, number];
  if (inSize !== shape[0]) ctx.malformed(`${shape[0]} features meet a weight for ${inSize}`);
  const alpha = ctx.float('alpha', 1);
  const beta = ctx.float('beta', 1);
  const body = { kind: 'dense' as const, input, weight, alpha, channelsFirst: false };
  if (!ctx.has(2)) return ctx.emit(body, [outSize]);
  if (ctx.isConstant(2)) {
    const c = ctx.perSample(ctx.tensor(2, 'C'), 2);
    if (broadcastDims(c.dims, [outSize])?.length !== 1)
      ctx.malformed(`C of shape [${c.dims}] for ${outSize} features`);
    const bias = Float32Array.from(expandTensor(c, [outSize]).data, (value) => value * beta);
    return ctx.emit({ ...body, bias }, [outSize]);
  }
  const c = ctx.arg(2, 2);
  const product = ctx.emit(body, [outSize], '/product');
  const right =
    beta === 1
      ? c
      : ctx.emit({ kind: 'binary', fn: 'mul', left: c, right: scalar(beta) }, ctx.shapeOf(c), '/beta');
  return ctx.emit({ kind: 'binary', fn: 'add', left: product, right }, [outSize]);
};

function scalar(value: number): Tensor {
  return { dims: [], dtype: 'float32', data: Float32Array.of(value) };
}

const matMul: Converter = (ctx) => {
  if (!ctx.isConstant(0) && !ctx.isConstant(1)) ctx.refuse(ATTENTION, ATTENTION_REMEDY);
  return ctx.isConstant(1) ? timesWeight(ctx) : weightTimes(ctx);
};

/** [N, ...positions, in] · [in, out] */
function timesWeight(ctx: NodeContext): ValueId {
  const { id: input, shape } = ctx.value(0);
  const given = ctx.weight(1);
  const vector = given.dims.length === 1;
  const matrix = reshapeWeight(given, vector ? [...given.dims, 1] : given.dims.slice(-2));
  if (sizeOf(given.dims.slice(0, -2)) !== 1 || matrix === undefined) {
    return ctx.refuse(
      `a stack of matrices of shape [${given.dims}] as weight`,
      'write it as a grouped convolution',
    );
  }
  if (shape.length === 0 || given.dims.length > Math.max(shape.length + 1, 2))
    ctx.refuse('the batch does not stay the leading axis');
  const [inSize, outSize] = matrix.dims as [number, number];
  if (shape.at(-1) !== inSize) ctx.malformed(`${shape.at(-1)} features meet a weight for ${inSize}`);
  const out = ctx.emit(
    { kind: 'dense', input, weight: matrix, alpha: 1, channelsFirst: false },
    [...shape.slice(0, -1), outSize],
    vector ? '/product' : '',
  );
  return vector ? ctx.reshape(out, shape.slice(0, -1)) : out;
}

/** [out, in] · [N, ...stack, in, positions]: the in axis is brought to the front, and back. */
function weightTimes(ctx: NodeContext): ValueId {
  const { id: input, shape } = ctx.value(1);
  const given = ctx.weight(0);
  const matrix = given.dims.length >= 2 ? reshapeWeight(given, given.dims.slice(-2)) : undefined;
  if (matrix === undefined || sizeOf(given.dims.slice(0, -2)) !== 1) {
    return ctx.refuse(`a weight of shape [${given.dims}] on the left`, 'write the layer as x · W');
  }
  if (shape.length < 2 || given.dims.length > shape.length + 1)
    return ctx.refuse('it multiplies along the batch', 'write the layer as x · W');
  const [outSize, inSize] = matrix.dims as [number, number];
  const axis = shape.length - 2;
  if (shape[axis] !== inSize) ctx.malformed(`${shape[axis]} features meet a weight for ${inSize}`);
  const rest = [...shape.keys()].filter((i) => i !== axis);
  const front = ctx.transpose(input, [axis, ...rest], '/front');
  const weight = transposeWeight(matrix, [1, 0]);
  const shapeOut = [outSize, ...rest.map((i) => shape[i] as number)];
  const suffix = axis === 0 ? '' : '/product';
  const out = ctx.emit(
    { kind: 'dense', input: front, weight, alpha: 1, channelsFirst: true },
    shapeOut,
    suffix,
  );
  const back = [...Array.from({ length: axis }, (_, i) => i + 1), 0, shape.length - 1];
  return ctx.transpose(out, back, '');
}

export const DENSE_OPS: readonly OpRow[] = [
  { op: 'Gemm', since: 7, convert: gemm },
  { op: 'MatMul', since: 1, convert: matMul },
];
