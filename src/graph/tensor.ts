import { PxError } from '../errors.js';
import { MAX_FOLDED_SIZE, MAX_RANK } from './limits.js';

/** A constant: whatever does not depend on the input. Row-major; whole numbers and booleans are kept as float64. */
export interface Tensor {
  readonly dims: readonly number[];
  readonly dtype: 'float32' | 'float64' | 'int64' | 'bool';
  readonly data: Float32Array | Float64Array;
}

export function sizeOf(dims: readonly number[]): number {
  let size = 1;
  for (const dim of dims) size *= dim;
  return size;
}

/** Elements between neighbours along each axis of a row-major array. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length);
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= dims[axis] as number;
  }
  return strides;
}

/**
 * An empty tensor may not have a huge axis either: loops over the other axes would never end.
 *
 * @throws PxError ERR_UNSUPPORTED for a shape that is not computed
 */
export function checkFoldedShape(dims: readonly number[]): void {
  const whole = dims.every((dim) => Number.isInteger(dim) && dim >= 0);
  if (!whole || dims.length > MAX_RANK || !(sizeOf(dims.map((dim) => Math.max(dim, 1))) <= MAX_FOLDED_SIZE)) {
    throw new PxError(
      'ERR_UNSUPPORTED',
      `a constant of shape [${dims}] is not a size that is computed (at most ${MAX_FOLDED_SIZE} elements)`,
    );
  }
}

/** A zeroed tensor for a folded result. @throws PxError ERR_UNSUPPORTED beyond MAX_FOLDED_SIZE elements */
export function emptyTensor(dims: readonly number[], dtype: Tensor['dtype']): Tensor {
  checkFoldedShape(dims);
  const size = sizeOf(dims);
  return { dims, dtype, data: dtype === 'float32' ? new Float32Array(size) : new Float64Array(size) };
}

export function intTensor(values: readonly number[], dims: readonly number[] = [values.length]): Tensor {
  return { dims, dtype: 'int64', data: Float64Array.from(values) };
}

/**
 * Elements of a strided view in row-major order.
 *
 * @param data the array viewed
 * @param dims shape of the view
 * @param strides elements between neighbours along each axis; 0 repeats
 */
export function gatherStrided(
  data: Tensor['data'],
  dims: readonly number[],
  strides: readonly number[],
  into: Tensor['data'],
  offset = 0,
): void {
  const rank = dims.length;
  const index = new Array<number>(rank).fill(0);
  let from = offset;
  for (let at = 0; at < into.length; at++) {
    into[at] = data[from] as number;
    for (let axis = rank - 1; axis >= 0; axis--) {
      from += strides[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (dims[axis] as number)) break;
      from -= (strides[axis] as number) * (dims[axis] as number);
      index[axis] = 0;
    }
  }
}

/** The shape two arrays broadcast to, aligned at the last axis; undefined when they do not. */
export function broadcastDims(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const p = a[a.length - rank + i] ?? 1;
    const q = b[b.length - rank + i] ?? 1;
    if (p !== q && p !== 1 && q !== 1) return undefined;
    out.push(p === 1 ? q : p);
  }
  return out;
}

/** Strides that read an array of shape `dims` as if it had the (broadcast) shape `to`. */
export function broadcastStrides(dims: readonly number[], to: readonly number[]): number[] {
  const own = stridesOf(dims);
  return to.map((_, axis) => {
    const i = axis - (to.length - dims.length);
    return i < 0 || dims[i] === 1 ? 0 : (own[i] as number);
  });
}

/** Repeats a tensor along its axes of one element up to the shape `to`. */
export function expandTensor(tensor: Tensor, to: readonly number[]): Tensor {
  const out = emptyTensor(to, tensor.dtype);
  gatherStrided(tensor.data, to, broadcastStrides(tensor.dims, to), out.data);
  return out;
}
