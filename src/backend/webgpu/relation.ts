import { PxError } from '../../errors.js';
import type { ChannelLayout, LinearStep } from '../../plan/plan.js';
import { sizeOf } from './places.js';

/** Spatial axes of the kernels; a step with fewer has axes of size 1 in front. */
const AXES = 3;
/** How far a tap may lie from where the output reads: two deltas share a word of the table. */
const MAX_DELTA = 32767;

/**
 * A linear step as its kernels see it (shaders/conv.wgsl): what is written in terms of what is read. `forward` reads the step's input; `adjoint`
 * its output's upstream. The two exchange their roles in a transposed convolution.
 */
export interface Relation {
  /** i = (o + delta) / stride where that is whole; otherwise i = o·stride + delta. */
  readonly fractional: boolean;
  readonly groups: number;
  /** Channels written, a group. */
  readonly rows: number;
  /** Channels read × taps. */
  readonly depth: number;
  /** Places written. */
  readonly positions: number;
  readonly rowWeights: number;
  readonly groupWeights: number;
  readonly xSample: number;
  readonly xGroup: number;
  readonly ySample: number;
  readonly yGroup: number;
  readonly yRow: number;
  /** By axis, three of each. */
  readonly xSize: readonly number[];
  readonly ySize: readonly number[];
  readonly stride: readonly number[];
  readonly xStride: readonly number[];
  readonly yStride: readonly number[];
}

export type Direction = 'forward' | 'adjoint';

/** @throws PxError ERR_BACKEND where the step has more spatial axes than the kernels */
export function relationOf(step: LinearStep, direction: Direction): Relation {
  const { spatial, groups, weight } = step;
  if (spatial.length > AXES)
    throw new PxError(
      'ERR_BACKEND',
      `webgpu: node '${step.name}' has ${spatial.length} spatial axes, more than ${AXES}; use the cpu backend`,
    );
  const forward = direction === 'forward';
  const input = { channels: step.inChannels, layout: step.inLayout, size: spatial.map((a) => a.inSize) };
  const output = { channels: step.outChannels, layout: step.outLayout, size: spatial.map((a) => a.outSize) };
  const [x, y] = forward ? [input, output] : [output, input];
  const scattered = forward === (step.op === 'conv-transpose');
  const strided = spatial.some((axis) => axis.stride > 1);
  const three = (values: readonly number[], missing: number) => [
    ...new Array<number>(AXES - spatial.length).fill(missing),
    ...values,
  ];
  const sample = ({ channels, size }: typeof x) => groups * channels * sizeOf(size);
  return {
    fractional: scattered && strided,
    groups,
    rows: y.channels,
    depth: x.channels * sizeOf(spatial.map((axis) => axis.taps)),
    positions: sizeOf(y.size),
    rowWeights: forward ? weight.outStride : weight.inStride,
    groupWeights: weight.groupStride,
    xSample: sample(x),
    xGroup: x.channels * x.layout.channelStride,
    ySample: sample(y),
    yGroup: y.channels * y.layout.channelStride,
    yRow: y.layout.channelStride,
    xSize: three(x.size, 1),
    ySize: three(y.size, 1),
    stride: three(
      spatial.map((axis) => axis.stride),
      1,
    ),
    xStride: three(x.layout.spatialStrides, 0),
    yStride: three(y.layout.spatialStrides, 0),
  };
}

/** The direction in which nothing is divided: that of the weight gradient. */
export function gatherDirection(step: LinearStep): Direction {
  return step.op === 'conv-transpose' ? 'adjoint' : 'forward';
}

/**
 * The table of a relation: per entry of K = (channel read, tap) the offset in x, the offset in the weight, and how far it reads from its output by
 * axis, the first two in 16 bits each.
 */
export function tableOf(step: LinearStep, direction: Direction, relation: Relation): Int32Array {
  const { spatial, weight } = step;
  const forward = direction === 'forward';
  const layout: ChannelLayout = forward ? step.inLayout : step.outLayout;
  const channels = forward ? step.inChannels : step.outChannels;
  const channelWeights = forward ? weight.inStride : weight.outStride;
  const scattered = forward === (step.op === 'conv-transpose');
  let taps: { weight: number; deltas: number[] }[] = [{ weight: 0, deltas: [] }];
  spatial.forEach(({ taps: count, dilation, pad }, axis) => {
    taps = taps.flatMap((tap) =>
      Array.from({ length: count }, (_, t) => ({
        weight: tap.weight + t * weight.tapStrides[axis]!,
        deltas: [...tap.deltas, scattered ? pad - t * dilation : t * dilation - pad],
      })),
    );
  });
  const table = new Int32Array(4 * relation.depth);
  let at = 0;
  for (let c = 0; c < channels; c++) {
    for (const tap of taps) {
      const deltas = [...new Array<number>(AXES - spatial.length).fill(0), ...tap.deltas];
      if (deltas.some((delta) => Math.abs(delta) > MAX_DELTA))
        throw new PxError(
          'ERR_BACKEND',
          `webgpu: node '${step.name}' has a tap more than ${MAX_DELTA} elements away; use the cpu backend`,
        );
      const way = relation.fractional
        ? 0
        : deltas.reduce((sum, delta, axis) => sum + delta * relation.xStride[axis]!, 0);
      table[at++] = c * layout.channelStride + way;
      table[at++] = c * channelWeights + tap.weight;
      table[at++] = (deltas[0]! & 0xffff) | (deltas[1]! << 16);
      table[at++] = deltas[2]!;
    }
  }
  return table;
}
