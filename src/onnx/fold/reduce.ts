import { emptyTensor, stridesOf, type Tensor } from '../../graph/tensor.js';
import type { NodeContext } from '../context.js';

type Fold = (ctx: NodeContext) => Tensor;

function reduction(
  start: number,
  step: (sum: number, x: number) => number,
  finish = (sum: number, _count: number) => sum,
): Fold {
  return (ctx) => {
    const x = ctx.tensor(0, 'its operand');
    const given = ctx.ints('axes') ?? ctx.intsInput(1, 'the axes');
    if ((given === undefined || given.length === 0) && ctx.int('noop_with_empty_axes', 0) === 1) return x;
    const rank = x.dims.length;
    const axes = new Set(
      given === undefined || given.length === 0
        ? x.dims.keys()
        : given.map((axis) => (axis < 0 ? axis + rank : axis)),
    );
    const kept = x.dims.map((dim, i) => (axes.has(i) ? 1 : dim));
    const dims = ctx.int('keepdims', 1) === 1 ? kept : x.dims.filter((_, i) => !axes.has(i));
    const out = emptyTensor(dims, x.dtype);
    out.data.fill(start);
    const from = stridesOf(x.dims);
    const to = stridesOf(kept);
    for (let i = 0; i < x.data.length; i++) {
      let at = 0;
      for (let axis = 0; axis < rank; axis++) {
        if (!axes.has(axis))
          at += (Math.floor(i / (from[axis] as number)) % (x.dims[axis] as number)) * (to[axis] as number);
      }
      out.data[at] = step(out.data[at] as number, x.data[i] as number);
    }
    const count = x.data.length / Math.max(out.data.length, 1);
    for (let i = 0; i < out.data.length; i++) out.data[i] = finish(out.data[i] as number, count);
    return out;
  };
}

export const REDUCE_FOLDS: Readonly<Record<string, Fold>> = {
  ReduceProd: reduction(1, (sum, x) => sum * x),
  ReduceSum: reduction(0, (sum, x) => sum + x),
  ReduceMax: reduction(-Infinity, Math.max),
  ReduceMin: reduction(Infinity, Math.min),
  ReduceMean: reduction(
    0,
    (sum, x) => sum + x,
    (sum, count) => sum / count,
  ),
};
