import { checkAxis } from '../graph/limits.js';
import { sizeOf } from '../graph/tensor.js';
import type { NodeContext } from './context.js';

/** Shape rules that hold for constants and for data alike; `dims` are full shapes, for data with the batch in front. */

/** Reshape's target with 0 (copy) and −1 (what is left) worked out; undefined elements of `target` are not allowed. */
export function targetShape(
  ctx: NodeContext,
  dims: readonly number[],
  target: readonly number[],
  allowZero: boolean,
): number[] {
  const out = target.map((dim, i) =>
    dim === 0 && !allowZero
      ? (dims[i] ?? ctx.malformed(`shape [${target}] copies an axis that is not there`))
      : dim,
  );
  const total = sizeOf(dims);
  const open = out.indexOf(-1);
  if (open >= 0) {
    const known = sizeOf(out.filter((_, i) => i !== open));
    out[open] = known === 0 ? 0 : total / known;
  }
  if (out.some((dim) => !Number.isInteger(dim) || dim < 0) || sizeOf(out) !== total) {
    ctx.malformed(`[${dims}] cannot take the shape [${target}]`);
  }
  return out;
}

/** Axes that a Squeeze removes (old attribute, new input, or all of one element but the batch). */
export function squeezeAxes(ctx: NodeContext, dims: readonly number[]): number[] {
  const given = ctx.ints('axes') ?? ctx.intsInput(1, 'the axes');
  if (given === undefined) return [...dims.keys()].filter((axis) => dims[axis] === 1);
  return given.map((axis) => {
    const at = axis < 0 ? axis + dims.length : axis;
    if (dims[at] !== 1) ctx.malformed(`it squeezes axis ${axis} of shape [${dims}], which is not 1`);
    return at;
  });
}

/** The shape after an Unsqueeze. */
export function unsqueezeShape(ctx: NodeContext, dims: readonly number[]): number[] {
  const given = ctx.ints('axes') ?? ctx.intsInput(1, 'the axes') ?? ctx.malformed('it has no axes');
  const rank = dims.length + given.length;
  const added = new Set(given.map((axis) => (axis < 0 ? axis + rank : axis)));
  if (added.size !== given.length || [...added].some((axis) => !(axis >= 0 && axis < rank)))
    ctx.malformed(`axes [${given}] for ${dims.length} axes`);
  const rest = [...dims];
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (rest.shift() as number)));
}

export interface SliceRange {
  /** Of the full shape. */
  readonly axis: number;
  readonly picks: readonly number[];
}

/** What a Slice keeps of each axis it names; axes it leaves whole are left out. */
export function sliceRanges(ctx: NodeContext, dims: readonly number[]): SliceRange[] {
  const starts = ctx.ints('starts') ?? ctx.intsInput(1, 'starts') ?? ctx.malformed('it has no starts');
  const ends = ctx.ints('ends') ?? ctx.intsInput(2, 'ends') ?? ctx.malformed('it has no ends');
  const axes = ctx.ints('axes') ?? ctx.intsInput(3, 'the axes') ?? [...starts.keys()];
  const steps = ctx.intsInput(4, 'the steps') ?? starts.map(() => 1);
  if (starts.length !== ends.length || axes.length !== starts.length || steps.length !== starts.length) {
    ctx.malformed('its starts, ends, axes and steps differ in length');
  }
  const ranges: SliceRange[] = [];
  axes.forEach((given, i) => {
    const axis = given < 0 ? given + dims.length : given;
    const size = dims[axis] ?? ctx.malformed(`axis ${given} of an array with ${dims.length} axes`);
    const step = steps[i] as number;
    if (step === 0) ctx.malformed('a step of 0');
    if (ranges.some((range) => range.axis === axis)) ctx.malformed(`it names axis ${given} twice`);
    const clamp = (at: number, low: number, high: number) =>
      Math.min(Math.max(at < 0 ? at + size : at, low), high);
    const start = step > 0 ? clamp(starts[i] as number, 0, size) : clamp(starts[i] as number, 0, size - 1);
    const end = step > 0 ? clamp(ends[i] as number, 0, size) : clamp(ends[i] as number, -1, size - 1);
    const count = Math.max(Math.ceil((end - start) / step), 0);
    if (count === size && step === 1) return;
    checkAxis(count);
    ranges.push({ axis, picks: Array.from({ length: count }, (_, k) => start + k * step) });
  });
  return ranges;
}

/** Sizes of a Split's outputs (old attribute, new input, num_outputs, or equal parts). */
export function splitSizes(ctx: NodeContext, size: number): readonly number[] {
  const count = ctx.int('num_outputs', ctx.node.outputs.length);
  if (!(count >= 1 && count <= size && count <= ctx.node.outputs.length))
    ctx.malformed(`${size} elements in ${count} parts`);
  const part = Math.ceil(size / count);
  const equal = Array.from({ length: count }, (_, i) => (i < count - 1 ? part : size - part * (count - 1)));
  const sizes = ctx.ints('split') ?? ctx.intsInput(1, 'the split') ?? equal;
  if (sizes.some((s) => s < 0) || sizes.reduce((sum, s) => sum + s, 0) !== size)
    ctx.malformed(`parts of [${sizes}] do not make ${size} elements`);
  return sizes;
}
