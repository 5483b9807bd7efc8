import { PxError } from '../../../errors.js';
import { type Places, scale } from '../kernels.js';
import { broadcastStrides, simplify, sizeOf, stridesOf } from '../places.js';
import type { Scaled, Tensor } from '../recorder.js';
import type { Walk } from './step.js';

/** Strides per [sample, ...axes of target] of an array of `shape` per sample; `samples` false: the same for every sample. */
export function sampleStrides(
  shape: readonly number[],
  target: readonly number[],
  samples = true,
): readonly number[] {
  return [samples ? sizeOf(shape) : 0, ...broadcastStrides(shape, target)];
}

/** Places of a dense output of `target` per sample. */
export function overSamples(
  samples: number,
  target: readonly number[],
  strides: Omit<Places, 'dims' | 'out'>,
): Places {
  const dims = [samples, ...target];
  return { dims, out: stridesOf(dims), ...strides };
}

const same = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((dim, axis) => dim === b[axis]);

/** A tensor of `shape` per sample written out to `target`; itself where they are the same. */
export function spread(walk: Walk, x: Scaled, shape: readonly number[], target: readonly number[]): Scaled {
  if (same(shape, target) || sizeOf(shape) === sizeOf(target)) return x;
  const out = walk.recorder.scaled(walk.samples * sizeOf(target));
  const places = overSamples(walk.samples, target, { a: sampleStrides(shape, target) });
  return scale(walk.recorder, 'one', { a: x, out }, places);
}

const MAX_AXES = 4;

/** The way back of `spread`: summed over what an element was spread to. */
export function gatherSpread(
  walk: Walk,
  d: Scaled,
  shape: readonly number[],
  target: readonly number[],
  name: string,
): Scaled {
  if (sizeOf(shape) === sizeOf(target)) return d;
  const strides = broadcastStrides(shape, target);
  const dense = stridesOf(target);
  const kept = target.flatMap((dim, axis) => (dim > 1 && strides[axis] !== 0 ? [axis] : []));
  const summed = target.flatMap((dim, axis) => (dim > 1 && strides[axis] === 0 ? [axis] : []));
  const pick = (axes: readonly number[]) => ({
    dims: axes.map((axis) => target[axis]!),
    strides: axes.map((axis) => dense[axis]!),
  });
  const keep = pick(kept);
  return sumOver(
    walk,
    d,
    { dims: [walk.samples, ...keep.dims], strides: [sizeOf(target), ...keep.strides] },
    pick(summed),
    name,
  );
}

interface Axes {
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

/** out[kept] = Σ_summed d[kept, summed] */
export function sumOver(walk: Walk, d: Scaled, kept: Axes, summed: Axes, name: string): Scaled {
  const count = sizeOf(kept.dims);
  const out = walk.recorder.scaled(count);
  walk.recorder.strided(
    { shader: 'spread_sum', overrides: {} },
    [d.tensor, out.tensor] satisfies Tensor[],
    [count, sizeOf(summed.dims), d.slot, out.slot, ...fourAxes(kept, name), ...fourAxes(summed, name)],
    count,
    256,
    d.tensor.elements,
  );
  return out;
}

/** Sizes and strides of four axes, those that are missing in front. */
function fourAxes({ dims, strides }: Axes, name: string): number[] {
  const simple = simplify(dims, [strides]);
  const missing = MAX_AXES - simple.dims.length;
  if (missing < 0)
    throw new PxError(
      'ERR_BACKEND',
      `webgpu: node '${name}' broadcasts along more than ${MAX_AXES} separate axes; use the cpu backend`,
    );
  const pad = (values: readonly number[], with_: number) => [
    ...new Array<number>(missing).fill(with_),
    ...values,
  ];
  return [...pad(simple.dims, 1), ...pad(simple.strides[0]!, 0)];
}
