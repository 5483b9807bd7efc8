import type { FixedStep, LinearStep, MaxStep, ReshapeStep, TransposeStep } from '../../src/plan/plan.js';

/** Entry (out, in, coefficient) of a sparse matrix between the per-sample arrays of a step's output and input. */
export type Entry = (out: number, input: number, coefficient: number) => void;

/** One term of a linear step: y[out] += w[weight] · x[input]. */
export type Term = (out: number, input: number, weight: number) => void;

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dim) => size * dim, 1);
}

function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

/** All terms of a convolution, transposed convolution or dense layer, straight from its definition in plan.ts. */
export function linearTerms(step: LinearStep, term: Term): void {
  // (output offset, input offset, weight offset) of every pair of positions, over all spatial axes.
  let places: [number, number, number][] = [[0, 0, 0]];
  step.spatial.forEach((axis, k) => {
    const next: [number, number, number][] = [];
    const outer = step.op === 'conv-transpose' ? axis.inSize : axis.outSize;
    const inner = step.op === 'conv-transpose' ? axis.outSize : axis.inSize;
    for (const [out, input, weight] of places) {
      for (let p = 0; p < outer; p++) {
        for (let t = 0; t < axis.taps; t++) {
          const q = p * axis.stride + t * axis.dilation - axis.pad;
          if (q < 0 || q >= inner) continue;
          const [o, i] = step.op === 'conv-transpose' ? [q, p] : [p, q];
          const { inLayout, outLayout } = step;
          next.push([
            out + o * outLayout.spatialStrides[k]!,
            input + i * inLayout.spatialStrides[k]!,
            weight + t * step.weight.tapStrides[k]!,
          ]);
        }
      }
    }
    places = next;
  });
  const { groups, inChannels, outChannels, inLayout, outLayout, weight: w } = step;
  for (let g = 0; g < groups; g++) {
    for (let m = 0; m < outChannels; m++) {
      for (let c = 0; c < inChannels; c++) {
        const out = (g * outChannels + m) * outLayout.channelStride;
        const input = (g * inChannels + c) * inLayout.channelStride;
        const weight = g * w.groupStride + m * w.outStride + c * w.inStride;
        for (const [o, i, t] of places) term(out + o, input + i, weight + t);
      }
    }
  }
}

/** All entries of a Kronecker product of axis maps, coefficient and fill aside. For one output element they come in row-major order. */
export function axisEntries(
  step: FixedStep | MaxStep,
  inShape: readonly number[],
  outShape: readonly number[],
  entry: Entry,
): void {
  const inStrides = stridesOf(inShape);
  const outStrides = stridesOf(outShape);
  const walk = (axis: number, out: number, input: number, coefficient: number): void => {
    if (axis === outShape.length) {
      entry(out, input, coefficient);
      return;
    }
    const map = step.axes.find((one) => one.axis === axis);
    for (let o = 0; o < outShape[axis]!; o++) {
      const nextOut = out + o * outStrides[axis]!;
      if (map === undefined) {
        walk(axis + 1, nextOut, input + o * inStrides[axis]!, coefficient);
        continue;
      }
      for (let e = map.start[o]!; e < map.start[o + 1]!; e++) {
        walk(axis + 1, nextOut, input + map.index[e]! * inStrides[axis]!, coefficient * map.value[e]!);
      }
    }
  };
  walk(0, 0, 0, 1);
}

/** Where every output element of a view comes from. */
export function viewSources(
  step: ReshapeStep | TransposeStep,
  inShape: readonly number[],
  outShape: readonly number[],
): number[] {
  const size = sizeOf(outShape);
  if (step.op === 'reshape') return Array.from({ length: size }, (_, i) => i);
  const from = stridesOf(inShape);
  const to = stridesOf(outShape);
  return Array.from({ length: size }, (_, i) =>
    step.perm.reduce((sum, p, axis) => sum + (Math.floor(i / to[axis]!) % outShape[axis]!) * from[p]!, 0),
  );
}

/** Where every element of `outShape` reads an array of `shape` that broadcasts to it, aligned at the last axis. */
export function broadcastSources(shape: readonly number[], outShape: readonly number[]): number[] {
  const from = stridesOf(shape);
  const to = stridesOf(outShape);
  const lead = outShape.length - shape.length;
  return Array.from({ length: sizeOf(outShape) }, (_, i) =>
    shape.reduce(
      (sum, dim, axis) => sum + (dim === 1 ? 0 : (Math.floor(i / to[lead + axis]!) % dim) * from[axis]!),
      0,
    ),
  );
}
