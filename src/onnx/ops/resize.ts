import { type AxisMap, axisMap, isIdentity, selectMap } from '../../graph/axis-map.js';
import { MAX_RESIZED } from '../../graph/limits.js';
import type { NodeContext } from '../context.js';
import type { Converter, OpRow } from './converter.js';

interface Target {
  /** Per-sample axis. */
  readonly axis: number;
  readonly inSize: number;
  readonly outSize: number;
  /** Output elements per input element, as the file gives it or as the sizes imply. */
  readonly scale: number;
}

const REMEDY = 'export with linear half_pixel or align_corners, or nearest with a whole factor';

/** Sizes and scales per axis; the batch must keep its size. */
function targets(
  ctx: NodeContext,
  shape: readonly number[],
  scales?: readonly number[],
  sizes?: readonly number[],
): Target[] {
  const rank = shape.length + 1;
  const axes =
    ctx.ints('axes')?.map((axis) => (axis < 0 ? axis + rank : axis)) ??
    Array.from({ length: rank }, (_, i) => i);
  const given = sizes ?? scales ?? ctx.malformed('it has neither scales nor sizes');
  if (given.length !== axes.length) ctx.malformed(`${given.length} scales or sizes for ${axes.length} axes`);
  const result: Target[] = [];
  axes.forEach((full, i) => {
    const asked = given[i] as number;
    if (full === 0) {
      if (sizes === undefined ? asked !== 1 : !ctx.isBatch(asked)) ctx.refuse('it resizes the batch');
      return;
    }
    const axis = ctx.axis(full, rank);
    const inSize = shape[axis] as number;
    const outSize = sizes === undefined ? Math.floor(inSize * asked) : asked;
    if (!(outSize <= MAX_RESIZED && inSize <= MAX_RESIZED))
      ctx.refuse(`it resizes ${inSize} elements to ${outSize}; at most ${MAX_RESIZED} can be`);
    if (!(outSize >= 1)) ctx.malformed(`it resizes ${inSize} elements to ${outSize}`);
    result.push({ axis, inSize, outSize, scale: sizes === undefined ? asked : outSize / inSize });
  });
  return result;
}

/** The position in the input, in elements, that output element o stands for. */
function source(ctx: NodeContext, mode: string, { inSize, outSize, scale }: Target): (o: number) => number {
  switch (mode) {
    case 'half_pixel':
      return (o) => (o + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return (o) => (outSize > 1 ? (o + 0.5) / scale - 0.5 : 0);
    case 'half_pixel_symmetric': {
      const adjustment = outSize / (inSize * scale);
      const offset = (inSize / 2) * (1 - adjustment);
      return (o) => offset + (o + 0.5) / scale - 0.5;
    }
    case 'align_corners':
      return (o) => (outSize > 1 ? (o * (inSize - 1)) / (outSize - 1) : 0);
    case 'asymmetric':
      return (o) => o / scale;
    case 'tf_half_pixel_for_nn':
      return (o) => (o + 0.5) / scale;
    default:
      return ctx.refuse(`coordinates by ${mode}`, REMEDY);
  }
}

/** Which element a fractional position takes, by ONNX's nearest_mode. */
const ROUNDING: ReadonlyMap<string, (x: number) => number> = new Map([
  ['round_prefer_floor', (x) => Math.ceil(x - 0.5)],
  ['round_prefer_ceil', (x) => Math.floor(x + 0.5)],
  ['floor', Math.floor],
  ['ceil', Math.ceil],
]);

/** Plain repetition by a whole factor, and only where the file's coordinates mean exactly that. */
function nearest(ctx: NodeContext, target: Target, mode: string, rounding: string): AxisMap {
  const { axis, inSize, outSize } = target;
  const factor = outSize / inSize;
  const at = source(ctx, mode, target);
  const round = ROUNDING.get(rounding) ?? ctx.malformed(`nearest_mode "${rounding}"`);
  const picks = Array.from({ length: outSize }, (_, o) => Math.min(Math.max(round(at(o)), 0), inSize - 1));
  if (!Number.isInteger(factor) || picks.some((pick, o) => pick !== Math.floor(o / factor))) {
    ctx.refuse(`nearest (${mode}, ${rounding}) from ${inSize} to ${outSize} elements`, REMEDY);
  }
  return selectMap(axis, inSize, picks);
}

function linear(ctx: NodeContext, target: Target, mode: string): AxisMap {
  const { axis, inSize, outSize, scale } = target;
  const known = mode === 'half_pixel' || mode === 'pytorch_half_pixel' || mode === 'align_corners';
  if (!known && inSize !== outSize)
    ctx.refuse(`linear (${mode}) from ${inSize} to ${outSize} elements`, REMEDY);
  if (ctx.int('antialias', 0) === 1 && scale < 1) ctx.refuse('antialiased downsampling', REMEDY);
  const at = source(ctx, mode, target);
  const rows = Array.from({ length: outSize }, (_, o): [number, number][] => {
    const x = Math.min(Math.max(at(o), 0), inSize - 1);
    const low = Math.floor(x);
    return [
      [low, 1 - (x - low)],
      [Math.min(low + 1, inSize - 1), x - low],
    ];
  });
  return axisMap(axis, inSize, rows);
}

function emitResize(
  ctx: NodeContext,
  list: readonly Target[],
  mode: string,
  coordinates: string,
  rounding: string,
) {
  const { id: input, shape } = ctx.value(0);
  if (ctx.int('exclude_outside', 0) === 1) ctx.refuse('exclude_outside', REMEDY);
  if (ctx.string('keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    ctx.refuse('keep_aspect_ratio_policy', REMEDY);
  const maps = list.map((target) => {
    // At its own size every mode takes each element as it is, unless the coordinates move.
    if (
      target.outSize === target.inSize &&
      target.scale === 1 &&
      coordinates !== 'tf_half_pixel_for_nn' &&
      coordinates !== 'tf_crop_and_resize'
    )
      return selectMap(target.axis, target.inSize, [...Array(target.inSize).keys()]);
    if (mode === 'nearest') return nearest(ctx, target, coordinates, rounding);
    if (mode === 'linear') return linear(ctx, target, coordinates);
    return ctx.refuse(`mode ${mode}`, REMEDY);
  });
  const out = [...shape];
  for (const map of maps) out[map.axis] = map.outSize;
  const axes = maps.filter((map) => !isIdentity(map)).sort((a, b) => a.axis - b.axis);
  return ctx.emit({ kind: 'map', input, coefficient: 1, axes, fill: 0 }, out);
}

/** Opset 11 on: X, roi, scales, sizes. */
const resize: Converter = (ctx) => {
  const { shape } = ctx.value(0);
  const scales = ctx.optionalTensor(2, 'the scales');
  const sizes = ctx.intsInput(3, 'the sizes');
  const list = targets(
    ctx,
    shape,
    scales?.data.length ? Array.from(scales.data) : undefined,
    sizes?.length ? sizes : undefined,
  );
  const coordinates = ctx.string('coordinate_transformation_mode', 'half_pixel');
  return emitResize(
    ctx,
    list,
    ctx.string('mode', 'nearest'),
    coordinates,
    ctx.string('nearest_mode', 'round_prefer_floor'),
  );
};

/** Resize of opset 10 and Upsample: X and scales (an input, or an attribute before opset 9), positions o / scale. */
const upsample: Converter = (ctx) => {
  const { shape } = ctx.value(0);
  const scales = ctx.attribute('scales')?.floats ?? Array.from(ctx.tensor(1, 'the scales').data);
  return emitResize(ctx, targets(ctx, shape, scales), ctx.string('mode', 'nearest'), 'asymmetric', 'floor');
};

export const RESIZE_OPS: readonly OpRow[] = [
  { op: 'Upsample', since: 7, convert: upsample },
  { op: 'Resize', since: 10, convert: upsample },
  { op: 'Resize', since: 11, convert: resize },
];
