import { reduceMap } from '../../graph/axis-map.js';
import type { ValueId } from '../../graph/graph.js';
import type { NodeContext } from '../context.js';
import type { Converter, OpRow } from './converter.js';

/** Per-sample axes to reduce, ascending; undefined when the node does nothing. */
function reducedAxes(ctx: NodeContext, rank: number): number[] | undefined {
  const given = ctx.ints('axes') ?? ctx.intsInput(1, 'the axes');
  if (given === undefined || given.length === 0) {
    if (ctx.int('noop_with_empty_axes', 0) === 1) return undefined;
    return ctx.refuse('it reduces over the batch as well', 'reduce over the axes of one sample');
  }
  return [...new Set(given.map((axis) => ctx.axis(axis, rank)))].sort((a, b) => a - b);
}

function reduction(
  emit: (ctx: NodeContext, input: ValueId, axes: readonly number[], shape: readonly number[]) => ValueId,
): Converter {
  return (ctx) => {
    const { id: input, shape } = ctx.value(0);
    const axes = reducedAxes(ctx, shape.length + 1);
    if (axes === undefined) return input;
    const out = emit(ctx, input, axes, shape);
    return ctx.int('keepdims', 1) === 1
      ? out
      : ctx.reshape(
          out,
          shape.filter((_, i) => !axes.includes(i)),
        );
  };
}

const kept = (shape: readonly number[], axes: readonly number[]) =>
  shape.map((size, i) => (axes.includes(i) ? 1 : size));
const suffix = (ctx: NodeContext) => (ctx.int('keepdims', 1) === 1 ? '' : '/kept');

const reduceMean = reduction((ctx, input, axes, shape) => {
  const maps = axes.map((axis) => reduceMap(axis, shape[axis] as number, 1 / (shape[axis] as number)));
  return ctx.emit(
    { kind: 'map', input, coefficient: 1, axes: maps, fill: 0, meanOver: axes },
    kept(shape, axes),
    suffix(ctx),
  );
});

const reduceSum = reduction((ctx, input, axes, shape) => {
  const maps = axes.map((axis) => reduceMap(axis, shape[axis] as number));
  return ctx.emit(
    { kind: 'map', input, coefficient: 1, axes: maps, fill: 0 },
    kept(shape, axes),
    suffix(ctx),
  );
});

/** Norms are gates: a power of every element, summed, and for L2 the root of it. */
function reduceNorm(fn: 'abs' | 'pow', root: boolean): Converter {
  return reduction((ctx, input, axes, shape) => {
    const powers = ctx.emit(
      { kind: 'unary', fn, input, alpha: fn === 'pow' ? 2 : 0, beta: 0 },
      shape,
      '/powers',
    );
    const maps = axes.map((axis) => reduceMap(axis, shape[axis] as number));
    const sum = ctx.emit(
      { kind: 'map', input: powers, coefficient: 1, axes: maps, fill: 0 },
      kept(shape, axes),
      root ? '/sum' : suffix(ctx),
    );
    return root
      ? ctx.emit({ kind: 'unary', fn: 'sqrt', input: sum, alpha: 0, beta: 0 }, kept(shape, axes), suffix(ctx))
      : sum;
  });
}

const reduceMax = reduction((ctx, input, axes, shape) => {
  const maps = axes.map((axis) => reduceMap(axis, shape[axis] as number));
  return ctx.emit({ kind: 'max', input, axes: maps }, kept(shape, axes), suffix(ctx));
});

export const REDUCE_OPS: readonly OpRow[] = [
  { op: 'ReduceMean', since: 1, convert: reduceMean },
  { op: 'ReduceSum', since: 1, convert: reduceSum },
  { op: 'ReduceMax', since: 1, convert: reduceMax },
  { op: 'ReduceL1', since: 1, convert: reduceNorm('abs', false) },
  { op: 'ReduceL2', since: 1, convert: reduceNorm('pow', true) },
  { op: 'ReduceSumSquare', since: 1, convert: reduceNorm('pow', false) },
];
