import type { AxisMap } from '../../plan/plan.js';

/** The map with rows and columns exchanged. */
export function transposed(map: AxisMap): AxisMap {
  const { axis, inSize, outSize, start, index, value } = map;
  const begin = new Uint32Array(inSize + 1);
  for (const i of index) begin[i + 1]!++;
  for (let i = 0; i < inSize; i++) begin[i + 1]! += begin[i]!;
  const next = begin.slice();
  const from = new Uint32Array(index.length);
  const values = new Float32Array(index.length);
  for (let o = 0; o < outSize; o++) {
    for (let e = start[o]!; e < start[o + 1]!; e++) {
      const at = next[index[e]!]!++;
      from[at] = o;
      values[at] = value[e]!;
    }
  }
  return { axis, inSize: outSize, outSize: inSize, start: begin, index: from, value: values };
}

/** Every index by itself. */
export function identity(axis: number, size: number): AxisMap {
  const start = Uint32Array.from({ length: size + 1 }, (_, i) => i);
  return {
    axis,
    inSize: size,
    outSize: size,
    start,
    index: start.slice(0, size),
    value: new Float32Array(size).fill(1),
  };
}
