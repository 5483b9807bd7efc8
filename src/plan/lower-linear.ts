import type { ConvNode, DenseNode } from '../graph/graph.js';
import { sizeOf, stridesOf } from '../graph/tensor.js';
import type { LinearStep, ParamId } from './plan.js';

type LinearBody = Omit<LinearStep, 'name' | 'inputs' | 'output'>;

/** @param shape of the input; @param outShape of the output, per sample */
export function lowerConv(
  node: ConvNode,
  param: ParamId,
  shape: readonly number[],
  outShape: readonly number[],
): LinearBody {
  const { weight, groups, transposed, bias, spatial } = node;
  const [first, second, ...tapStrides] = weight.strides as [number, number, ...number[]];
  // The leading axis of the stored weight holds the groups one after another.
  const groupStride = first * ((weight.dims[0] as number) / groups);
  return {
    kind: 'linear',
    op: transposed ? 'conv-transpose' : 'conv',
    weight: {
      param,
      groupStride,
      outStride: transposed ? second : first,
      inStride: transposed ? first : second,
      tapStrides,
    },
    ...(bias === undefined ? {} : { bias }),
    alpha: 1,
    groups,
    inChannels: (shape[0] as number) / groups,
    outChannels: (outShape[0] as number) / groups,
    spatial,
    inLayout: { channelStride: sizeOf(shape.slice(1)), spatialStrides: stridesOf(shape.slice(1)) },
    outLayout: { channelStride: sizeOf(outShape.slice(1)), spatialStrides: stridesOf(outShape.slice(1)) },
  };
}

/** A dense layer: one tap, and all positions (if there are any) as one axis. */
export function lowerDense(node: DenseNode, param: ParamId, shape: readonly number[]): LinearBody {
  const { weight, bias, alpha, channelsFirst } = node;
  const [inChannels, outChannels] = weight.dims as [number, number];
  const [inStride, outStride] = weight.strides as [number, number];
  const positions = sizeOf(shape) / inChannels;
  const along = shape.length > 1;
  const layout = (channels: number) => ({
    channelStride: channelsFirst ? positions : 1,
    spatialStrides: along ? [channelsFirst ? 1 : channels] : [],
  });
  return {
    kind: 'linear',
    op: 'dense',
    weight: { param, groupStride: 0, outStride, inStride, tapStrides: along ? [0] : [] },
    ...(bias === undefined ? {} : { bias }),
    alpha,
    groups: 1,
    inChannels,
    outChannels,
    spatial: along
      ? [{ inSize: positions, outSize: positions, taps: 1, stride: 1, dilation: 1, pad: 0 }]
      : [],
    inLayout: layout(inChannels),
    outLayout: layout(outChannels),
  };
}
