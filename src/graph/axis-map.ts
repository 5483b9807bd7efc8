import { checkAxis } from './limits.js';

/**
 * A sparse matrix with non-negative entries that acts along one axis, by rows: output element o is the sum (or for windows of
 * maxima: the maximum) over entries start[o] .. start[o+1]−1 of value[e] · input[index[e]]; one entry per (row, index).
 * Pools, means, resizes, pads, slices, gathers and expands are Kronecker products of these.
 */
export interface AxisMap {
  /** Per-sample axis. */
  readonly axis: number;
  readonly inSize: number;
  readonly outSize: number;
  readonly start: Uint32Array;
  readonly index: Uint32Array;
  readonly value: Float32Array;
}

/** @param rows for every output element its (index, coefficient) entries; equal indices are merged by adding */
export function axisMap(
  axis: number,
  inSize: number,
  rows: readonly (readonly (readonly [number, number])[])[],
): AxisMap {
  checkAxis(Math.max(inSize, rows.length));
  const start = new Uint32Array(rows.length + 1);
  const index: number[] = [];
  const value: number[] = [];
  rows.forEach((row, o) => {
    const merged = new Map<number, number>();
    for (const [i, c] of row) if (c !== 0) merged.set(i, (merged.get(i) ?? 0) + c);
    for (const [i, c] of [...merged].sort((p, q) => p[0] - q[0])) {
      index.push(i);
      value.push(c);
    }
    start[o + 1] = index.length;
  });
  return {
    axis,
    inSize,
    outSize: rows.length,
    start,
    index: Uint32Array.from(index),
    value: Float32Array.from(value),
  };
}

/** Output element o is input element picks[o]; −1 leaves it to the fill value. */
export function selectMap(axis: number, inSize: number, picks: readonly number[]): AxisMap {
  checkAxis(Math.max(inSize, picks.length));
  const start = new Uint32Array(picks.length + 1);
  const index = new Uint32Array(picks.length);
  let entries = 0;
  picks.forEach((pick, o) => {
    if (pick >= 0) index[entries++] = pick;
    start[o + 1] = entries;
  });
  return {
    axis,
    inSize,
    outSize: picks.length,
    start,
    index: index.slice(0, entries),
    value: new Float32Array(entries).fill(1),
  };
}

/** One output element: the sum of all, times `coefficient`. */
export function reduceMap(axis: number, inSize: number, coefficient = 1): AxisMap {
  checkAxis(inSize);
  return {
    axis,
    inSize,
    outSize: 1,
    start: Uint32Array.of(0, inSize),
    index: Uint32Array.from({ length: inSize }, (_, i) => i),
    value: new Float32Array(inSize).fill(coefficient),
  };
}

/** One element, repeated. */
export function repeatMap(axis: number, outSize: number): AxisMap {
  checkAxis(outSize);
  return selectMap(axis, 1, new Array<number>(outSize).fill(0));
}

/** Does the map leave its axis as it is? */
export function isIdentity(map: AxisMap): boolean {
  if (map.inSize !== map.outSize || map.index.length !== map.inSize) return false;
  return map.index.every((i, o) => i === o && map.start[o] === o && map.value[o] === 1);
}

export interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padBegin: number;
  readonly padEnd: number;
  readonly ceilMode: boolean;
}

/**
 * Pooling windows along one axis. A window that starts in the end padding does not exist.
 *
 * @param average coefficients of a mean: over the elements that exist, or with `countPadding` also over declared padding, never over
 *   the overhang of ceil_mode. Otherwise all coefficients are 1.
 * @returns undefined when some window holds no element
 */
export function windowMap(
  axis: number,
  inSize: number,
  window: Window,
  average?: { countPadding: boolean },
): AxisMap | undefined {
  const { kernel, stride, dilation, padBegin, padEnd, ceilMode } = window;
  const span = (kernel - 1) * dilation + 1;
  const room = (inSize + padBegin + padEnd - span) / stride;
  let outSize = (ceilMode ? Math.ceil(room) : Math.floor(room)) + 1;
  if ((outSize - 1) * stride >= inSize + padBegin) outSize--;
  if (!(outSize >= 1)) return undefined;
  checkAxis(outSize * kernel);
  const rows: [number, number][][] = [];
  for (let o = 0; o < outSize; o++) {
    const real: number[] = [];
    let declared = 0;
    for (let t = 0; t < kernel; t++) {
      const i = o * stride + t * dilation - padBegin;
      if (i >= 0 && i < inSize) real.push(i);
      if (i < inSize + padEnd) declared++;
    }
    if (real.length === 0) return undefined;
    const value = average === undefined ? 1 : 1 / (average.countPadding ? declared : real.length);
    rows.push(real.map((i) => [i, value]));
  }
  return axisMap(axis, inSize, rows);
}
