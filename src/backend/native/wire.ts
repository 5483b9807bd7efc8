import type { AxisMap, ChannelLayout, LinearStep, Operand, Plan, Step } from '../../plan/plan.js';
import { WordWriter } from './words.js';

/** Numbers shared with native/engine/plan.h and wire.cc: the order of these lists is the wire format. */
const KINDS = ['linear', 'fixed', 'gate', 'norm', 'sum', 'view', 'f-only'] as const;
const OPS = [
  ['conv', 'conv-transpose', 'dense'],
  ['fixed'],
  ['activation', 'max', 'product'],
  ['affine', 'batch', 'layer', 'group'],
  ['add', 'concat', 'tail-product'],
  ['reshape', 'transpose'],
  ['unary', 'binary', 'softmax'],
].flat();
const ACTIVATIONS = [
  'relu',
  'leaky-relu',
  'prelu',
  'clip',
  'elu',
  'selu',
  'celu',
  'gelu',
  'gelu-tanh',
  'hard-swish',
  'silu',
  'mish',
  'tanh',
];
const UNARIES = [
  'sigmoid',
  'hard-sigmoid',
  'erf',
  'softplus',
  'exp',
  'log',
  'sqrt',
  'reciprocal',
  'neg',
  'abs',
  'pow',
];
const BINARIES = ['add', 'sub', 'mul', 'div', 'min', 'max'];

const MAGIC = 0x4c505850; // "PXPL"
const VERSION = 1;

/** A Plan as bytes for the native engine. Weights are not in it: they stay where they are. */
export function encodePlan(plan: Plan): Uint8Array {
  const w = new WordWriter();
  w.u32(MAGIC);
  w.u32(VERSION);
  w.u32(plan.input);
  w.u32(plan.values.length);
  for (const v of plan.values) {
    w.u32s(v.shape);
    w.flag(v.signal);
  }
  w.u32(plan.params.length);
  for (const p of plan.params) {
    w.u32(p.size % 2 ** 32);
    w.u32(Math.floor(p.size / 2 ** 32));
    w.flag(p.gateOnly);
  }
  w.u32(plan.steps.length);
  for (const s of plan.steps) encodeStep(w, s);
  w.u32s(plan.outputs.map((o) => o.value));
  return w.finish();
}

function encodeStep(w: WordWriter, s: Step): void {
  w.u32(KINDS.indexOf(s.kind));
  w.u32(OPS.indexOf(s.op));
  w.text(s.name);
  w.u32s(s.inputs);
  w.u32(s.output);
  encodeBody(w, s);
}

function encodeBody(w: WordWriter, s: Step): void {
  switch (s.op) {
    case 'conv':
    case 'conv-transpose':
    case 'dense':
      return linear(w, s);
    case 'fixed':
      w.f32(s.coefficient);
      w.f32(s.fill);
      return axes(w, s.axes);
    case 'activation':
      w.u32(ACTIVATIONS.indexOf(s.fn));
      w.f32(s.alpha);
      w.f32(s.beta);
      return optional(w, s.slope);
    case 'max':
      return axes(w, s.axes);
    case 'product':
    case 'tail-product':
      return w.flag(s.divide);
    case 'affine':
      optional(w, s.scale);
      return optional(w, s.shift);
    case 'batch':
      w.f32(s.epsilon);
      for (const v of [s.scale, s.bias, s.mean, s.variance]) operand(w, { shape: [v.length], data: v });
      return;
    case 'layer':
      w.f32(s.epsilon);
      w.u32(s.axes);
      optional(w, s.scale);
      return optional(w, s.bias);
    case 'group':
      w.f32(s.epsilon);
      w.u32(s.groups);
      for (const v of [s.scale, s.bias]) operand(w, { shape: [v.length], data: v });
      return;
    case 'add':
      return w.i32s(s.signs);
    case 'concat':
      w.u32(s.axis);
      w.i32s(s.parts.map((p) => (typeof p === 'number' ? p : -1)));
      for (const p of s.parts) if (typeof p !== 'number') operand(w, p);
      return;
    case 'reshape':
      return;
    case 'transpose':
      return w.i32s(s.perm);
    case 'unary':
      w.u32(UNARIES.indexOf(s.fn));
      w.f32(s.alpha);
      return w.f32(s.beta);
    case 'binary':
      w.u32(BINARIES.indexOf(s.fn));
      w.flag(s.constantFirst);
      return optional(w, s.constant);
    case 'softmax':
      w.u32(s.axis);
      return w.flag(s.log);
  }
}

function linear(w: WordWriter, s: LinearStep): void {
  w.u32(s.weight.param);
  w.u32(s.weight.groupStride);
  w.u32(s.weight.outStride);
  w.u32(s.weight.inStride);
  w.u32s(s.weight.tapStrides);
  w.f32(s.alpha);
  w.u32(s.groups);
  w.u32(s.inChannels);
  w.u32(s.outChannels);
  w.u32(s.spatial.length);
  for (const a of s.spatial) {
    for (const v of [a.inSize, a.outSize, a.taps, a.stride, a.dilation]) w.u32(v);
    w.i32(a.pad);
  }
  layout(w, s.inLayout);
  layout(w, s.outLayout);
  optional(w, s.bias && { shape: [s.bias.length], data: s.bias });
}

function layout(w: WordWriter, l: ChannelLayout): void {
  w.u32(l.channelStride);
  w.u32s(l.spatialStrides);
}

function axes(w: WordWriter, maps: readonly AxisMap[]): void {
  w.u32(maps.length);
  for (const a of maps) {
    w.u32(a.axis);
    w.u32(a.inSize);
    w.u32(a.outSize);
    w.u32s(a.start);
    w.u32s(a.index);
    w.f32s(a.value);
  }
}

function optional(w: WordWriter, o: Operand | undefined): void {
  w.flag(o !== undefined);
  if (o) operand(w, o);
}

function operand(w: WordWriter, o: Operand): void {
  w.u32s(o.shape);
  w.f32s(o.data);
}
