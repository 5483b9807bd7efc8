/** Weights with BatchNorm folded into them: each output channel is the state_dict's times one factor. */
import type { Precision } from './precision.js';

/** Relative error that folding leaves in an element: its own rounding and those of the factor. */
const TOLERANCE: Readonly<Record<Precision, number>> = { F32: 2 ** -20, F16: 2 ** -9, BF16: 2 ** -6 };

/** Least number of elements beyond one a channel, below which agreement may be chance. */
const LEAST_EVIDENCE = 8;

/**
 * Whether `folded` is `original` with every channel multiplied by a factor of its own. Channels are axis 0 (Conv, Gemm), or axis 1
 * of a tensor with more than two axes (ConvTranspose). Both have `shape`.
 */
export function isScaled(
  folded: Float32Array,
  original: Float32Array,
  shape: readonly number[],
  precision: Precision,
): boolean {
  const axes = shape.length > 2 ? [0, 1] : [0];
  return axes.some((axis) => scaledAlong(folded, original, shape, axis, TOLERANCE[precision]));
}

function scaledAlong(
  folded: Float32Array,
  original: Float32Array,
  shape: readonly number[],
  axis: number,
  tolerance: number,
): boolean {
  const channels = shape[axis] ?? 1;
  const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const outer = folded.length / (channels * inner);
  let evidence = 0;
  for (let channel = 0; channel < channels; channel++) {
    const start = channel * inner;
    const step = channels * inner;
    let pivot = start;
    for (let block = 0; block < outer; block++) {
      for (let i = start + block * step, end = i + inner; i < end; i++) {
        if (Math.abs(original[i]!) > Math.abs(original[pivot]!)) pivot = i;
      }
    }
    const factor = original[pivot] === 0 ? 0 : folded[pivot]! / original[pivot]!;
    for (let block = 0; block < outer; block++) {
      for (let i = start + block * step, end = i + inner; i < end; i++) {
        const expected = factor * original[i]!;
        if (Math.abs(folded[i]! - expected) > tolerance * Math.abs(expected)) return false;
        if (expected !== 0 && i !== pivot) evidence++;
      }
    }
  }
  return evidence >= LEAST_EVIDENCE;
}
