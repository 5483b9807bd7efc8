import { type AxisMap, isIdentity, reduceMap, type Window, windowMap } from '../../graph/axis-map.js';
import type { NodeContext } from '../context.js';
import type { Converter, OpRow } from './converter.js';
import { positive, spansOf, spatialPads } from './pads.js';

/** Kernels beyond this many window elements per axis are hostile or broken. */
const MAX_WINDOW_WORK = 2 ** 20;

/** One map per spatial axis; pools are separable, whatever their padding, ceil_mode and counting. */
function poolMaps(
  ctx: NodeContext,
  shape: readonly number[],
  average?: { countPadding: boolean },
): AxisMap[] {
  const sizes = shape.slice(1);
  const count = sizes.length;
  if (ctx.ints('kernel_shape') === undefined) ctx.malformed('it has no kernel_shape');
  const kernel = positive(ctx, 'kernel_shape', ctx.spatial('kernel_shape', count, 1));
  const strides = positive(ctx, 'strides', ctx.spatial('strides', count, 1));
  const dilations = positive(ctx, 'dilations', ctx.spatial('dilations', count, 1));
  const spans = spansOf(kernel, dilations);
  const { begin, end } = spatialPads(ctx, sizes, spans, strides);
  const ceilMode = ctx.int('ceil_mode', 0) === 1;
  return sizes.map((size, i) => {
    const window: Window = {
      kernel: kernel[i] as number,
      stride: strides[i] as number,
      dilation: dilations[i] as number,
      padBegin: begin[i] as number,
      padEnd: end[i] as number,
      ceilMode,
    };
    if (window.padBegin >= (spans[i] as number) || window.padEnd >= (spans[i] as number)) {
      ctx.refuse(
        `padding ${window.padBegin} and ${window.padEnd} around a window of ${spans[i]} leaves windows without an element`,
      );
    }
    if (window.kernel * (size + window.padBegin + window.padEnd) > MAX_WINDOW_WORK)
      ctx.refuse(`a window of ${window.kernel} elements`);
    return windowMap(i + 1, size, window, average) ?? ctx.refuse('it has windows without an element');
  });
}

function pooled(shape: readonly number[], maps: readonly AxisMap[]): number[] {
  return [shape[0] as number, ...maps.map((map) => map.outSize)];
}

const maxPool: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const maps = poolMaps(ctx, shape);
  return ctx.emit({ kind: 'max', input, axes: maps.filter((map) => !isIdentity(map)) }, pooled(shape, maps));
};

const averagePool: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const maps = poolMaps(ctx, shape, { countPadding: ctx.int('count_include_pad', 0) === 1 });
  const axes = maps.filter((map) => !isIdentity(map));
  return ctx.emit({ kind: 'map', input, coefficient: 1, axes, fill: 0 }, pooled(shape, maps));
};

const globalAveragePool: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const axes = shape.slice(1).map((size, i) => reduceMap(i + 1, size, 1 / size));
  return ctx.emit({ kind: 'map', input, coefficient: 1, axes, fill: 0 }, pooled(shape, axes));
};

const globalMaxPool: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const axes = shape.slice(1).map((size, i) => reduceMap(i + 1, size));
  return ctx.emit({ kind: 'max', input, axes }, pooled(shape, axes));
};

export const POOL_OPS: readonly OpRow[] = [
  { op: 'MaxPool', since: 1, convert: maxPool },
  { op: 'AveragePool', since: 7, convert: averagePool },
  { op: 'GlobalAveragePool', since: 1, convert: globalAveragePool },
  { op: 'GlobalMaxPool', since: 1, convert: globalMaxPool },
];
