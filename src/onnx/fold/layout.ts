import {
  broadcastDims,
  checkFoldedShape,
  emptyTensor,
  expandTensor,
  gatherStrided,
  intTensor,
  sizeOf,
  stridesOf,
  type Tensor,
} from '../../graph/tensor.js';
import type { NodeContext } from '../context.js';
import { sliceRanges, splitSizes, squeezeAxes, targetShape, unsqueezeShape } from '../shapes.js';

type Fold = (ctx: NodeContext) => Tensor | Tensor[];

const operand = (ctx: NodeContext) => ctx.tensor(0, 'its operand');

function axisOf(ctx: NodeContext, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(positive) || positive < 0 || positive >= Math.max(rank, 1)) {
    return ctx.malformed(`axis ${axis} of a constant with ${rank} axes`);
  }
  return positive;
}

/** Elements along one axis, by index; the building stone of Gather, Slice and Split. */
function pick(x: Tensor, axis: number, picks: readonly number[]): Tensor {
  const dims = x.dims.map((dim, i) => (i === axis ? picks.length : dim));
  const out = emptyTensor(dims, x.dtype);
  const inner = sizeOf(x.dims.slice(axis + 1));
  const outer = sizeOf(x.dims.slice(0, axis));
  const size = x.dims[axis] as number;
  for (let o = 0; o < outer; o++) {
    picks.forEach((index, k) => {
      const from = (o * size + index) * inner;
      out.data.set(x.data.subarray(from, from + inner), (o * picks.length + k) * inner);
    });
  }
  return out;
}

const gather: Fold = (ctx) => {
  const x = operand(ctx);
  const indices = ctx.tensor(1, 'the indices');
  const axis = axisOf(ctx, ctx.int('axis', 0), x.dims.length);
  const size = x.dims[axis] as number;
  const picks = Array.from(indices.data, (i) => (i < 0 ? i + size : i));
  if (picks.some((i) => !(i >= 0 && i < size))) ctx.malformed(`an index outside an axis of ${size} elements`);
  const picked = pick(x, axis, picks);
  return { ...picked, dims: [...x.dims.slice(0, axis), ...indices.dims, ...x.dims.slice(axis + 1)] };
};

const slice: Fold = (ctx) => {
  let x = operand(ctx);
  for (const { axis, picks } of sliceRanges(ctx, x.dims)) x = pick(x, axis, picks);
  return x;
};

const split: Fold = (ctx) => {
  const x = operand(ctx);
  const axis = axisOf(ctx, ctx.int('axis', 0), x.dims.length);
  let at = 0;
  return splitSizes(ctx, x.dims[axis] as number).map((size) => {
    const picks = Array.from({ length: size }, (_, i) => at + i);
    at += size;
    return pick(x, axis, picks);
  });
};

const concat: Fold = (ctx) => {
  const parts = ctx.inputs.map((_, i) => ctx.tensor(i, `part ${i}`));
  const first = parts[0] ?? ctx.malformed('it has no inputs');
  const axis = axisOf(ctx, ctx.int('axis', 0), first.dims.length);
  const total = parts.reduce((sum, part) => sum + (part.dims[axis] ?? 0), 0);
  const dims = first.dims.map((dim, i) => (i === axis ? total : dim));
  if (
    parts.some(
      (part) => part.dims.length !== dims.length || part.dims.some((dim, i) => i !== axis && dim !== dims[i]),
    )
  ) {
    ctx.malformed(
      `constants of shapes ${parts.map((part) => `[${part.dims}]`).join(', ')} do not join along axis ${axis}`,
    );
  }
  const out = emptyTensor(dims, first.dtype);
  const outer = sizeOf(dims.slice(0, axis));
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const part of parts) {
      const run = part.data.length / outer;
      out.data.set(part.data.subarray(o * run, (o + 1) * run), at);
      at += run;
    }
  }
  return out;
};

const reshape: Fold = (ctx) => {
  const x = operand(ctx);
  const target = ctx.ints('shape') ?? ctx.intsInput(1, 'the shape') ?? ctx.malformed('it has no shape');
  return { ...x, dims: targetShape(ctx, x.dims, target, ctx.int('allowzero', 0) === 1) };
};

const transpose: Fold = (ctx) => {
  const x = operand(ctx);
  const perm = ctx.ints('perm') ?? x.dims.map((_, i) => x.dims.length - 1 - i);
  if (perm.length !== x.dims.length || [...perm].sort((a, b) => a - b).some((axis, i) => axis !== i))
    ctx.malformed(`perm [${perm}] for ${x.dims.length} axes`);
  const strides = stridesOf(x.dims);
  const dims = perm.map((axis) => x.dims[axis] as number);
  const out = emptyTensor(dims, x.dtype);
  gatherStrided(
    x.data,
    dims,
    perm.map((axis) => strides[axis] as number),
    out.data,
  );
  return out;
};

const squeeze: Fold = (ctx) => {
  const x = operand(ctx);
  const axes = squeezeAxes(ctx, x.dims);
  return { ...x, dims: x.dims.filter((_, i) => !axes.includes(i)) };
};

const unsqueeze: Fold = (ctx) => {
  const x = operand(ctx);
  return { ...x, dims: unsqueezeShape(ctx, x.dims) };
};

const flatten: Fold = (ctx) => {
  const x = operand(ctx);
  const axis = ctx.int('axis', 1);
  const at = axis < 0 ? axis + x.dims.length : axis;
  return { ...x, dims: [sizeOf(x.dims.slice(0, at)), sizeOf(x.dims.slice(at))] };
};

const expand: Fold = (ctx) => {
  const x = operand(ctx);
  const target = dropBatch(ctx, ctx.intsInput(1, 'the shape') ?? []);
  const dims = broadcastDims(x.dims, target);
  return dims === undefined
    ? ctx.malformed(`shape [${x.dims}] does not expand to [${target}]`)
    : expandTensor(x, dims);
};

const tile: Fold = (ctx) => {
  let x = operand(ctx);
  const repeats = dropBatch(ctx, ctx.intsInput(1, 'the repeats') ?? []);
  if (repeats.length !== x.dims.length) ctx.malformed(`${repeats.length} repeats for ${x.dims.length} axes`);
  repeats.forEach((times, axis) => {
    const size = x.dims[axis] as number;
    checkFoldedShape(x.dims.map((dim, i) => (i === axis ? dim * times : dim)));
    x = pick(
      x,
      axis,
      Array.from({ length: size * times }, (_, i) => i % size),
    );
  });
  return x;
};

const constantOfShape: Fold = (ctx) => {
  const dims = dropBatch(ctx, ctx.intsInput(0, 'the shape') ?? []);
  const value = ctx.attribute('value')?.tensor;
  const { dtype, data } =
    value === undefined ? { dtype: 'float32' as const, data: [0] } : ctx.attributeTensor(value);
  const out = emptyTensor(dims, dtype);
  out.data.fill(data[0] ?? 0);
  return out;
};

/** A constant repeated for every sample is kept once, and broadcast: the probe must never be allocated. */
function dropBatch(ctx: NodeContext, dims: readonly number[]): number[] {
  return dims.map((dim, i) => (i === 0 && dim === ctx.batch.probe ? 1 : dim));
}

const range: Fold = (ctx) => {
  const [start, limit, delta] = ['start', 'limit', 'delta'].map((what, i) => ctx.tensor(i, what));
  const [from, to, step] = [start, limit, delta].map((tensor) => tensor?.data[0] ?? 0) as [
    number,
    number,
    number,
  ];
  const count = Math.max(Math.ceil((to - from) / step), 0);
  const out = emptyTensor([count], (start as Tensor).dtype);
  for (let i = 0; i < count; i++) out.data[i] = from + i * step;
  return out;
};

const nonZero: Fold = (ctx) => {
  const x = operand(ctx);
  const strides = stridesOf(x.dims);
  const hits = Array.from(x.data.keys()).filter((i) => x.data[i] !== 0);
  checkFoldedShape([x.dims.length, hits.length]);
  const rows = x.dims.map((dim, axis) => hits.map((i) => Math.floor(i / (strides[axis] as number)) % dim));
  return intTensor(rows.flat(), [x.dims.length, hits.length]);
};

/** Running sums along an axis; positions of embeddings and grids are made this way. */
const cumSum: Fold = (ctx) => {
  const x = operand(ctx);
  const axis = axisOf(ctx, ctx.tensor(1, 'the axis').data[0] ?? 0, x.dims.length);
  if (ctx.int('exclusive', 0) === 1 || ctx.int('reverse', 0) === 1)
    ctx.refuse('running sums that are exclusive or reversed', 'fold constants before exporting');
  const out = emptyTensor(x.dims, x.dtype);
  const step = stridesOf(x.dims)[axis] as number;
  const size = x.dims[axis] as number;
  x.data.forEach((value, i) => {
    const first = Math.floor(i / step) % size === 0;
    out.data[i] = value + (first ? 0 : (out.data[i - step] as number));
  });
  return out;
};

const same: Fold = (ctx) => operand(ctx);

/** Operations on constants that only move elements. */
export const LAYOUT_FOLDS: Readonly<Record<string, Fold>> = {
  Identity: same,
  Dropout: same,
  Gather: gather,
  Slice: slice,
  Split: split,
  Concat: concat,
  Reshape: reshape,
  Transpose: transpose,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Flatten: flatten,
  Expand: expand,
  Tile: tile,
  ConstantOfShape: constantOfShape,
  Range: range,
  CumSum: cumSum,
  NonZero: nonZero,
};
