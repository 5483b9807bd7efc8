import { type AxisMap, repeatMap, selectMap } from '../../graph/axis-map.js';
import type { ValueId } from '../../graph/graph.js';
import { checkAxis } from '../../graph/limits.js';
import { sizeOf, type Tensor } from '../../graph/tensor.js';
import type { NodeContext } from '../context.js';
import { sliceRanges, splitSizes } from '../shapes.js';
import type { Converter, OpRow } from './converter.js';

/** The full shape, batch included, as shape rules want it. */
const fullShape = (ctx: NodeContext, shape: readonly number[]) => [ctx.batch.probe, ...shape];

function emitMaps(
  ctx: NodeContext,
  input: ValueId,
  maps: readonly AxisMap[],
  suffix = '',
  output = 0,
): ValueId {
  if (maps.length === 0) return input;
  const shape = [...ctx.shapeOf(input)];
  for (const map of maps) shape[map.axis] = map.outSize;
  const axes = [...maps].sort((a, b) => a.axis - b.axis);
  return ctx.emit({ kind: 'map', input, coefficient: 1, axes, fill: 0 }, shape, suffix, output);
}

const slice: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const maps: AxisMap[] = [];
  for (const { axis: full, picks } of sliceRanges(ctx, fullShape(ctx, shape))) {
    // Keeping all of a baked batch is keeping the batch.
    if (full === 0 && picks.length === ctx.batch.baked && picks.every((pick, i) => pick === i)) continue;
    const axis = ctx.axis(full, shape.length + 1);
    maps.push(selectMap(axis, shape[axis] as number, picks));
  }
  return emitMaps(ctx, input, maps);
};

const split: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const axis = ctx.axis(ctx.int('axis', 0), shape.length + 1);
  const size = shape[axis] as number;
  let at = 0;
  return splitSizes(ctx, size).map((part, i) => {
    const picks = Array.from({ length: part }, (_, k) => at + k);
    at += part;
    return part === size ? input : emitMaps(ctx, input, [selectMap(axis, size, picks)], '', i);
  });
};

/** By constant indices of any rank: the axis becomes the indices' axes. */
const gather: Converter = (ctx) => {
  if (ctx.isConstant(0))
    ctx.refuse(
      'a look-up by computed indices (an embedding)',
      'export the part of the model that sees images',
    );
  if (!ctx.isConstant(1)) ctx.refuse('computed indices', 'export with fixed indices');
  const { id: input, shape, row } = ctx.valueOrRow(0);
  const indices = row ? perSampleIndices(ctx, shape[0] as number) : ctx.tensor(1, 'the indices');
  const axis = row ? 0 : ctx.axis(ctx.int('axis', 0), shape.length + 1);
  const size = shape[axis] as number;
  const picks = Array.from(indices.data, (i) => (i < 0 ? i + size : i));
  if (picks.some((i) => !(i >= 0 && i < size))) ctx.malformed(`an index outside an axis of ${size} elements`);
  const flat = emitMaps(
    ctx,
    input,
    [selectMap(axis, size, picks)],
    indices.dims.length === 1 ? '' : '/picked',
  );
  return ctx.reshape(flat, [...shape.slice(0, axis), ...indices.dims, ...shape.slice(axis + 1)], '');
};

/** Indices into a row of all samples, as PyTorch's exporter writes strided views: every sample must pick the same of its own. */
function perSampleIndices(ctx: NodeContext, size: number): Tensor {
  const { dims, dtype, data } = ctx.tensor(1, 'the indices');
  const [lead, ...rest] = dims;
  const each = sizeOf(rest);
  const own = data.subarray(0, each);
  const same =
    lead === ctx.batch.baked &&
    data.every((index, i) => index === (own[i % each] as number) + Math.floor(i / each) * size);
  return same
    ? { dims: rest, dtype, data: own }
    : ctx.refuse('indices that mix the samples of a batch', 'export with a symbolic batch size');
}

const expand: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const target = ctx.intsInput(1, 'the shape') ?? ctx.malformed('it has no shape');
  if (target.length > shape.length + 1) ctx.refuse('it moves the batch from the leading axis');
  const perSample = target.length === shape.length + 1 ? target.slice(1) : target;
  if (target.length === shape.length + 1 && target[0] !== 1 && !ctx.isBatch(target[0]))
    ctx.refuse(`it repeats the batch to ${target[0]}`);
  const maps: AxisMap[] = [];
  perSample.forEach((to, i) => {
    const axis = i + shape.length - perSample.length;
    const size = shape[axis] as number;
    if (to === size || to === 1) return;
    if (size !== 1 || !(to >= 1)) ctx.malformed(`shape [N,${shape}] does not expand to [${target}]`);
    maps.push(repeatMap(axis, to));
  });
  return emitMaps(ctx, input, maps);
};

const tile: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const repeats = ctx.intsInput(1, 'the repeats') ?? ctx.malformed('it has no repeats');
  if (repeats.length !== shape.length + 1)
    ctx.malformed(`${repeats.length} repeats for ${shape.length + 1} axes`);
  if (repeats[0] !== 1) ctx.refuse('it repeats the batch');
  const maps: AxisMap[] = [];
  shape.forEach((size, axis) => {
    const times = repeats[axis + 1] as number;
    if (!(times >= 1)) ctx.malformed(`it repeats ${size} elements ${times} times`);
    checkAxis(times * size);
    if (times > 1)
      maps.push(
        selectMap(
          axis,
          size,
          Array.from({ length: size * times }, (_, i) => i % size),
        ),
      );
  });
  return emitMaps(ctx, input, maps);
};

export const SELECT_OPS: readonly OpRow[] = [
  { op: 'Slice', since: 1, convert: slice },
  { op: 'Split', since: 2, convert: split },
  { op: 'Gather', since: 1, convert: gather },
  { op: 'Expand', since: 8, convert: expand },
  { op: 'Tile', since: 6, convert: tile },
];
