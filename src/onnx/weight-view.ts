import type { WeightRef } from '../graph/graph.js';
import { sizeOf, stridesOf } from '../graph/tensor.js';

/** The view of a whole stored tensor. */
export function wholeWeight(tensor: string, stored: readonly number[]): WeightRef {
  return { tensor, stored, dims: stored, strides: stridesOf(stored) };
}

export function transposeWeight(weight: WeightRef, perm: readonly number[]): WeightRef {
  return {
    ...weight,
    dims: perm.map((axis) => weight.dims[axis] as number),
    strides: perm.map((axis) => weight.strides[axis] as number),
  };
}

/**
 * The same elements in another shape, if that is still a strided view (it is not where axes of a transposed view merge).
 * @param dims same number of elements
 */
export function reshapeWeight(weight: WeightRef, dims: readonly number[]): WeightRef | undefined {
  if (sizeOf(dims) === 0) return undefined;
  // Axes of one element have no say; the others form blocks that lie contiguously in storage.
  const from = weight.dims
    .map((dim, i) => ({ dim, stride: weight.strides[i] as number }))
    .filter(({ dim }) => dim !== 1);
  const strides = new Array<number>(dims.length).fill(0);
  let axis = dims.length - 1;
  for (let i = from.length - 1; i >= 0; ) {
    let { dim: block, stride } = from[i] as { dim: number; stride: number };
    const inner = stride;
    // Merge outer axes while storage allows; the target's axes must then fill each block exactly.
    for (i--; i >= 0 && from[i]?.stride === stride * (from[i + 1] as { dim: number }).dim; i--) {
      block *= (from[i] as { dim: number }).dim;
      stride = (from[i] as { stride: number }).stride;
    }
    let filled = 1;
    while (filled < block) {
      const dim = dims[axis];
      if (dim === undefined || block % (filled * dim) !== 0) return undefined;
      strides[axis] = inner * filled;
      filled *= dim;
      axis--;
    }
  }
  return { ...weight, dims, strides };
}
