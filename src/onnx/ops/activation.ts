import type { ActivationFn, UnaryFn } from '../../graph/graph.js';
import { broadcastDims } from '../../graph/tensor.js';
import type { NodeContext } from '../context.js';
import type { Converter, OpRow } from './converter.js';

/** The largest float32, which stands for "no bound" in a Plan (JSON has no infinity). */
const NO_BOUND = 3.4028234663852886e38;

const SELU_ALPHA = 1.6732632423543772;
const SELU_GAMMA = 1.0507009873554805;

function activation(
  fn: ActivationFn,
  parameters?: (ctx: NodeContext) => { alpha?: number; beta?: number },
): Converter {
  return (ctx) => {
    const { id: input, shape } = ctx.value(0);
    return ctx.emit({ kind: 'activation', fn, input, alpha: 0, beta: 0, ...parameters?.(ctx) }, shape);
  };
}

function unary(fn: UnaryFn, parameters?: (ctx: NodeContext) => { alpha: number; beta: number }): Converter {
  return (ctx) => {
    const { id: input, shape } = ctx.value(0);
    return ctx.emit({ kind: 'unary', fn, input, alpha: 0, beta: 0, ...parameters?.(ctx) }, shape);
  };
}

const prelu: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const slope = ctx.perSample(ctx.tensor(1, 'the slope'), shape.length + 1);
  if (broadcastDims(slope.dims, shape)?.join() !== shape.join())
    ctx.malformed(`a slope of shape [${slope.dims}] for [N,${shape}]`);
  return ctx.emit({ kind: 'activation', fn: 'prelu', input, alpha: 0, beta: 0, slope }, shape);
};

/** Bounds as attributes (before opset 11) or as inputs; a bound left out is none. */
const clip: Converter = (ctx) => {
  const { id: input, shape } = ctx.value(0);
  const bound = (i: number, name: string, none: number): number => {
    const given = ctx.optionalTensor(i, name)?.data[0] ?? ctx.float(name, none);
    return Math.min(Math.max(given, -NO_BOUND), NO_BOUND);
  };
  const alpha = bound(1, 'min', -NO_BOUND);
  const beta = bound(2, 'max', NO_BOUND);
  if (!(alpha <= beta)) ctx.malformed(`bounds ${alpha} and ${beta}`);
  if (alpha === -NO_BOUND && beta === NO_BOUND) return input;
  const fn = alpha === 0 && beta === NO_BOUND ? 'relu' : 'clip';
  return ctx.emit(
    { kind: 'activation', fn, input, alpha: fn === 'relu' ? 0 : alpha, beta: fn === 'relu' ? 0 : beta },
    shape,
  );
};

const gelu: Converter = (ctx) =>
  activation(ctx.string('approximate', 'none') === 'tanh' ? 'gelu-tanh' : 'gelu')(ctx);

/** Over one axis since opset 13; before, over everything from `axis` on, as one. */
function softmax(log: boolean): Converter {
  return (ctx) => {
    const { id: input, shape } = ctx.value(0);
    const rank = shape.length + 1;
    const axis = ctx.axis(ctx.int('axis', ctx.opset >= 13 ? -1 : 1), rank);
    if (ctx.opset >= 13 || axis === shape.length - 1)
      return ctx.emit({ kind: 'softmax', input, axis, log }, shape);
    const joined = [...shape.slice(0, axis), shape.slice(axis).reduce((size, dim) => size * dim, 1)];
    const flat = ctx.reshape(input, joined, '/joined');
    const out = ctx.emit({ kind: 'softmax', input: flat, axis, log }, joined, '/softmax');
    return ctx.reshape(out, shape, '');
  };
}

export const ACTIVATION_OPS: readonly OpRow[] = [
  { op: 'Relu', since: 1, convert: activation('relu') },
  {
    op: 'LeakyRelu',
    since: 1,
    convert: activation('leaky-relu', (ctx) => ({ alpha: ctx.float('alpha', 0.01) })),
  },
  { op: 'PRelu', since: 7, convert: prelu },
  { op: 'Clip', since: 6, convert: clip },
  { op: 'Elu', since: 1, convert: activation('elu', (ctx) => ({ alpha: ctx.float('alpha', 1) })) },
  {
    op: 'Selu',
    since: 1,
    convert: activation('selu', (ctx) => ({
      alpha: ctx.float('alpha', SELU_ALPHA),
      beta: ctx.float('gamma', SELU_GAMMA),
    })),
  },
  { op: 'Celu', since: 12, convert: activation('celu', (ctx) => ({ alpha: ctx.float('alpha', 1) })) },
  { op: 'Gelu', since: 20, convert: gelu },
  { op: 'Gelu', domain: 'com.microsoft', since: 1, convert: activation('gelu') },
  { op: 'HardSwish', since: 14, convert: activation('hard-swish') },
  { op: 'Swish', since: 24, convert: activation('silu', (ctx) => ({ alpha: ctx.float('alpha', 1) })) },
  {
    op: 'QuickGelu',
    domain: 'com.microsoft',
    since: 1,
    convert: activation('silu', (ctx) => ({ alpha: ctx.float('alpha', 1.702) })),
  },
  { op: 'Mish', since: 18, convert: activation('mish') },
  { op: 'Tanh', since: 1, convert: activation('tanh') },
  { op: 'Sigmoid', since: 1, convert: unary('sigmoid') },
  {
    op: 'HardSigmoid',
    since: 1,
    convert: unary('hard-sigmoid', (ctx) => ({
      alpha: ctx.float('alpha', 0.2),
      beta: ctx.float('beta', 0.5),
    })),
  },
  { op: 'Erf', since: 9, convert: unary('erf') },
  { op: 'Softplus', since: 1, convert: unary('softplus') },
  { op: 'Exp', since: 1, convert: unary('exp') },
  { op: 'Log', since: 1, convert: unary('log') },
  { op: 'Sqrt', since: 1, convert: unary('sqrt') },
  { op: 'Reciprocal', since: 1, convert: unary('reciprocal') },
  { op: 'Abs', since: 1, convert: unary('abs') },
  { op: 'Softmax', since: 1, convert: softmax(false) },
  { op: 'LogSoftmax', since: 1, convert: softmax(true) },
];
