import { broadcastDims, expandTensor } from '../../graph/tensor.js';
import type { Converter, OpRow } from './converter.js';

export const TRAINING = 'it is exported in training mode';
export const TRAINING_REMEDY =
  'call model.eval() before exporting, or export with training=TrainingMode.PRESERVE on an eval-mode model';

const batchNorm: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  if (ctx.int('training_mode', 0) === 1) ctx.refuse(TRAINING, TRAINING_REMEDY);
  if (ctx.int('spatial', 1) === 0)
    ctx.refuse('statistics per position (spatial = 0)', 'convert the model to opset 9 or later');
  const channels = shape[0] ?? ctx.malformed('data without a channel axis');
  const [scale, bias, mean, variance] = ['scale', 'bias', 'mean', 'variance'].map((what, i) =>
    ctx.channels(i + 1, what, channels),
  );
  const body = {
    kind: 'batch-norm' as const,
    input,
    epsilon: ctx.float('epsilon', 1e-5),
    scale: scale as Float32Array,
    bias: bias as Float32Array,
    mean: mean as Float32Array,
    variance: variance as Float32Array,
  };
  return ctx.emit(body, shape);
};

const layerNorm: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const axis = ctx.axis(ctx.int('axis', -1), shape.length + 1);
  const normalised = shape.slice(axis);
  const over = (i: number, what: string) => {
    const tensor = ctx.perSample(ctx.tensor(i, what), shape.length + 1);
    const dims = broadcastDims(tensor.dims, normalised);
    if (dims === undefined || dims.length !== normalised.length)
      ctx.malformed(`${what} of shape [${tensor.dims}] over axes [${normalised}]`);
    return expandTensor(tensor, normalised);
  };
  const bias = ctx.has(2) ? { bias: over(2, 'the bias') } : {};
  const epsilon = ctx.float('epsilon', 1e-5);
  return ctx.emit(
    { kind: 'layer-norm', input, epsilon, axes: normalised.length, scale: over(1, 'the scale'), ...bias },
    shape,
  );
};

const instanceNorm: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const channels = shape[0] ?? ctx.malformed('data without a channel axis');
  const scale = ctx.channels(1, 'the scale', channels);
  const bias = ctx.channels(2, 'the bias', channels);
  return ctx.emit(
    { kind: 'group-norm', input, epsilon: ctx.float('epsilon', 1e-5), groups: channels, scale, bias },
    shape,
  );
};

/** Opset 18 had one scale per group, opset 21 one per channel. */
const groupNorm: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const channels = shape[0] ?? ctx.malformed('data without a channel axis');
  const groups = ctx.int('num_groups', 0);
  if (!(groups >= 1) || channels % groups !== 0) ctx.malformed(`${channels} channels in ${groups} groups`);
  const perChannel = (i: number, what: string): Float32Array => {
    const { data } = ctx.tensor(i, what);
    if (data.length === channels) return Float32Array.from(data);
    if (data.length !== groups)
      return ctx.malformed(
        `${what} has ${data.length} elements for ${channels} channels in ${groups} groups`,
      );
    const each = channels / groups;
    return Float32Array.from({ length: channels }, (_, c) => data[Math.floor(c / each)] as number);
  };
  const body = { kind: 'group-norm' as const, input, epsilon: ctx.float('epsilon', 1e-5), groups };
  return ctx.emit({ ...body, scale: perChannel(1, 'the scale'), bias: perChannel(2, 'the bias') }, shape);
};

export const NORM_OPS: readonly OpRow[] = [
  { op: 'BatchNormalization', since: 7, convert: batchNorm },
  { op: 'LayerNormalization', since: 1, convert: layerNorm },
  { op: 'InstanceNormalization', since: 1, convert: instanceNorm },
  { op: 'GroupNormalization', since: 18, convert: groupNorm },
];
