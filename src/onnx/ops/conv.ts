import type { ConvAxis, WeightRef } from '../../graph/graph.js';
import { MAX_REACH, MAX_TAPS } from '../../graph/limits.js';
import type { NodeContext } from '../context.js';
import type { Converter, OpRow } from './converter.js';
import { positive, spansOf, spatialPads } from './pads.js';

/** What Conv and ConvTranspose share: weight, input and the attributes, checked against each other. */
function common(ctx: NodeContext) {
  const weight: WeightRef = ctx.weight(1);
  const { id: input, shape } = ctx.value(0);
  const count = shape.length - 1;
  if (weight.dims.length !== count + 2) {
    ctx.malformed(`its weight has shape [${weight.dims}] for data with ${count} spatial axes`);
  }
  if (count < 1 || count > 3) ctx.refuse(`a convolution over ${count} axes; 1, 2 and 3 are known`);
  const taps = weight.dims.slice(2);
  const declared = ctx.spatial('kernel_shape', count, 0);
  if (ctx.ints('kernel_shape') !== undefined && declared.some((k, i) => k !== taps[i])) {
    ctx.malformed(`kernel_shape [${declared}] and a weight of shape [${weight.dims}]`);
  }
  const strides = positive(ctx, 'strides', ctx.spatial('strides', count, 1));
  const dilations = positive(ctx, 'dilations', ctx.spatial('dilations', count, 1));
  const groups = ctx.int('group', 1);
  const channels = shape[0] as number;
  if (!(groups >= 1) || channels % groups !== 0) ctx.malformed(`${channels} channels in ${groups} groups`);
  return {
    weight,
    input,
    sizes: shape.slice(1),
    channels,
    taps,
    strides,
    dilations,
    spans: spansOf(taps, dilations),
    groups,
    count,
  };
}

const conv: Converter = (ctx) => {
  const { weight, input, sizes, channels, taps, strides, dilations, spans, groups } = common(ctx);
  const [out, perGroup] = weight.dims as [number, number];
  if (perGroup * groups !== channels || out % groups !== 0) {
    ctx.malformed(`its weight has shape [${weight.dims}] for ${channels} channels in ${groups} groups`);
  }
  const { begin, end } = spatialPads(ctx, sizes, spans, strides);
  const spatial = sizes.map((inSize, i): ConvAxis => {
    const stride = strides[i] as number;
    const room = inSize + (begin[i] as number) + (end[i] as number) - (spans[i] as number);
    if (room < 0) ctx.malformed(`a kernel of ${spans[i]} on ${inSize} elements`);
    const outSize = Math.floor(room / stride) + 1;
    return {
      inSize,
      outSize,
      taps: taps[i] as number,
      stride,
      dilation: dilations[i] as number,
      pad: begin[i] as number,
    };
  });
  const shape = [out, ...spatial.map((axis) => axis.outSize)];
  const node = { kind: 'conv', transposed: false, input, weight, ...biasOf(ctx, out), groups } as const;
  return ctx.emit({ ...node, spatial: checkedAxes(ctx, spatial, false) }, shape);
};

const convTranspose: Converter = (ctx) => {
  const { weight, input, sizes, channels, taps, strides, dilations, spans, groups, count } = common(ctx);
  const [inChannels, outPerGroup] = weight.dims as [number, number];
  if (inChannels !== channels)
    ctx.malformed(`its weight has shape [${weight.dims}] for ${channels} channels`);
  const extra = ctx.spatial('output_padding', count, 0);
  const { begin, outSizes } = transposedPads(ctx, sizes, spans, strides, extra);
  const spatial = sizes.map(
    (inSize, i): ConvAxis => ({
      inSize,
      outSize: outSizes[i] as number,
      taps: taps[i] as number,
      stride: strides[i] as number,
      dilation: dilations[i] as number,
      pad: begin[i] as number,
    }),
  );
  if (!spatial.every((axis) => axis.outSize >= 1)) ctx.malformed(`an output of shape [${outSizes}]`);
  const out = outPerGroup * groups;
  const node = { kind: 'conv', transposed: true, input, weight, ...biasOf(ctx, out), groups } as const;
  return ctx.emit({ ...node, spatial: checkedAxes(ctx, spatial, true) }, [out, ...outSizes]);
};

/** Begin padding and output sizes: from pads, or pads from the output size asked for (output_shape, or SAME: input × stride). */
function transposedPads(
  ctx: NodeContext,
  sizes: readonly number[],
  spans: readonly number[],
  strides: readonly number[],
  extra: readonly number[],
): { begin: readonly number[]; outSizes: number[] } {
  const auto = ctx.string('auto_pad', 'NOTSET') || 'NOTSET';
  const full = sizes.map(
    (size, i) => (size - 1) * (strides[i] as number) + (extra[i] as number) + (spans[i] as number),
  );
  const asked = ctx.ints('output_shape')?.slice(-sizes.length);
  if (asked !== undefined && asked.length !== sizes.length) ctx.malformed(`output_shape [${asked}]`);
  const same = auto === 'SAME_UPPER' || auto === 'SAME_LOWER';
  if (asked === undefined && !same) {
    const { begin, end } = spatialPads(ctx, sizes, spans, strides);
    return { begin, outSizes: full.map((size, i) => size - (begin[i] as number) - (end[i] as number)) };
  }
  const outSizes = asked ?? sizes.map((size, i) => size * (strides[i] as number));
  const begin = full.map((size, i) => {
    const total = Math.max(size - (outSizes[i] as number), 0);
    return auto === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
  });
  return { begin, outSizes: [...outSizes] };
}

/**
 * Kernels count in int32, and walk tables of every axis. A stride between single positions and a dilation between single taps, which
 * mean nothing, become 1.
 */
function checkedAxes(ctx: NodeContext, axes: readonly ConvAxis[], transposed: boolean): ConvAxis[] {
  return axes.map((axis) => {
    const { inSize, outSize, taps, pad } = axis;
    const dilation = taps === 1 ? 1 : axis.dilation;
    const stride = (transposed ? inSize : outSize) === 1 ? 1 : axis.stride;
    const longest = Math.max(inSize, outSize);
    if (!(longest * taps <= MAX_TAPS && Math.max(longest * stride, taps * dilation, pad) <= MAX_REACH))
      ctx.refuse(
        `an axis of ${inSize} to ${outSize} elements, ${taps} taps, stride ${stride}, dilation ${dilation} and padding ${pad}`,
      );
    return { ...axis, stride, dilation };
  });
}

function biasOf(ctx: NodeContext, channels: number): { bias?: Float32Array } {
  return ctx.has(2) ? { bias: ctx.channels(2, 'the bias', channels) } : {};
}

export const CONV_OPS: readonly OpRow[] = [
  { op: 'Conv', since: 1, convert: conv },
  { op: 'ConvTranspose', since: 1, convert: convTranspose },
];
