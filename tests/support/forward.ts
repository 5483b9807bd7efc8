import type { NormStatistics } from '../../src/backend/backend.js';
import type { BinaryStep, NormStep, Operand, Plan, SoftmaxStep, Step } from '../../src/plan/plan.js';
import { activate, unary } from './functions.js';
import { axisEntries, broadcastSources, linearTerms, sizeOf, viewSources } from './maps.js';

/** What f leaves behind on one micro-batch: all values, and what h, g and j need of them. */
export interface Trace {
  readonly samples: number;
  /** [samples, ...shape] per value. */
  readonly values: readonly Float64Array[];
  /** Max steps: the chosen input element per output element, per sample. */
  readonly choices: ReadonlyMap<Step, Int32Array>;
  readonly norms: ReadonlyMap<Step, NormStats>;
}

export interface NormStats {
  /** BatchNorm: σ² per channel. Layer, group and instance norm: mean(a²) per element of a sample. */
  readonly pooled: Float64Array;
  /** Layer, group and instance norm: a² per element, [samples, ...shape]. */
  readonly a2?: Float64Array;
}

/** f over one micro-batch in float64. `weights` are masked already. */
export function forward(
  plan: Plan,
  weights: readonly Float64Array[],
  x: Float64Array,
  samples: number,
  norm: NormStatistics,
): Trace {
  const values: Float64Array[] = [];
  const choices = new Map<Step, Int32Array>();
  const norms = new Map<Step, NormStats>();
  values[plan.input] = x;
  for (const step of plan.steps) {
    const inputs = step.inputs.map((id) => values[id]!);
    const shapes = step.inputs.map((id) => plan.values[id]!.shape);
    const shape = plan.values[step.output]!.shape;
    const size = sizeOf(shape);
    const out = new Float64Array(samples * size);
    values[step.output] = out;
    if (step.kind === 'norm') {
      const stats = normalise(step, inputs[0]!, shape, samples, norm, out);
      if (stats !== undefined) norms.set(step, stats);
      continue;
    }
    if (step.kind === 'gate' && step.op === 'max') choices.set(step, new Int32Array(samples * size).fill(-1));
    for (let n = 0; n < samples; n++) {
      const xs = inputs.map((all, i) => all.subarray(n * sizeOf(shapes[i]!), (n + 1) * sizeOf(shapes[i]!)));
      const y = out.subarray(n * size, (n + 1) * size);
      evaluate(step, xs, shapes, y, shape, weights, choices.get(step)?.subarray(n * size, (n + 1) * size));
    }
  }
  return { samples, values, choices, norms };
}

type Evaluated = Exclude<Step, NormStep>;

function evaluate(
  step: Evaluated,
  xs: readonly Float64Array[],
  shapes: readonly (readonly number[])[],
  y: Float64Array,
  shape: readonly number[],
  weights: readonly Float64Array[],
  choice: Int32Array | undefined,
): void {
  const x = xs[0]!;
  const read = (i: number) => broadcastSources(shapes[i]!, shape);
  switch (step.kind) {
    case 'linear': {
      const w = weights[step.weight.param]!;
      linearTerms(step, (o, i, k) => {
        y[o]! += step.alpha * w[k]! * x[i]!;
      });
      if (step.bias !== undefined) addBias(y, shape, step.outLayout.channelStride, step.bias);
      return;
    }
    case 'fixed': {
      const filled = new Uint8Array(y.length).fill(1);
      axisEntries(step, shapes[0]!, shape, (o, i, c) => {
        y[o]! += step.coefficient * c * x[i]!;
        filled[o] = 0;
      });
      filled.forEach((empty, o) => {
        if (empty) y[o] = step.fill;
      });
      return;
    }
    case 'gate':
      if (step.op === 'activation') {
        const slope = step.slope && broadcastSources(step.slope.shape, shape);
        for (let i = 0; i < y.length; i++)
          y[i] = activate(step, x[i]!, slope ? step.slope!.data[slope[i]!]! : 0);
      } else if (step.op === 'max') {
        axisEntries(step, shapes[0]!, shape, (o, i) => {
          if (choice![o]! >= 0 && !(x[i]! > y[o]!)) return;
          y[o] = x[i]!;
          choice![o] = i;
        });
      } else {
        const [p, q] = [read(0), read(1)];
        for (let i = 0; i < y.length; i++)
          y[i] = step.divide ? x[p[i]!]! / xs[1]![q[i]!]! : x[p[i]!]! * xs[1]![q[i]!]!;
      }
      return;
    case 'sum':
      if (step.op === 'add') {
        step.signs.forEach((sign, k) => {
          const from = read(k);
          for (let i = 0; i < y.length; i++) y[i]! += sign * xs[k]![from[i]!]!;
        });
      } else if (step.op === 'tail-product') {
        const [p, q] = [read(0), read(1)];
        for (let i = 0; i < y.length; i++)
          y[i] = step.divide ? x[p[i]!]! / xs[1]![q[i]!]! : x[p[i]!]! * xs[1]![q[i]!]!;
      } else {
        concatEntries(step, shapes, shape, (part, o, i) => {
          y[o] = typeof part === 'number' ? xs[part]![i]! : part.data[i]!;
        });
      }
      return;
    case 'view':
      viewSources(step, shapes[0]!, shape).forEach((i, o) => {
        y[o] = x[i]!;
      });
      return;
    case 'f-only':
      if (step.op === 'unary') for (let i = 0; i < y.length; i++) y[i] = unary(step, x[i]!);
      else if (step.op === 'binary') binary(step, xs, shapes, y, shape);
      else softmax(step, x, y, shape);
  }
}

function addBias(y: Float64Array, shape: readonly number[], channelStride: number, bias: Float32Array): void {
  // Channels lie either in front of all positions or behind them.
  const channels = bias.length;
  for (let i = 0; i < y.length; i++) y[i]! += bias[Math.floor(i / channelStride) % channels]!;
  if (y.length % channels !== 0) throw new Error(`bias of ${channels} for shape [${shape}]`);
}

/** Calls with every element of every part of a concat. */
export function concatEntries(
  step: Step & { op: 'concat' },
  shapes: readonly (readonly number[])[],
  shape: readonly number[],
  entry: (part: number | Operand, out: number, input: number) => void,
): void {
  const inner = sizeOf(shape.slice(step.axis + 1));
  const total = shape[step.axis]!;
  let offset = 0;
  for (const part of step.parts) {
    const size = typeof part === 'number' ? shapes[part]![step.axis]! : part.shape[step.axis]!;
    const outer = sizeOf(shape.slice(0, step.axis));
    for (let o = 0; o < outer; o++) {
      for (let k = 0; k < size * inner; k++)
        entry(part, (o * total + offset) * inner + k, o * size * inner + k);
    }
    offset += size;
  }
}

function binary(
  step: BinaryStep,
  xs: readonly Float64Array[],
  shapes: readonly (readonly number[])[],
  y: Float64Array,
  shape: readonly number[],
): void {
  const a = broadcastSources(shapes[0]!, shape);
  const second = step.constant?.shape ?? shapes[1]!;
  const data = step.constant?.data ?? xs[1]!;
  const b = broadcastSources(second, shape);
  const apply = {
    add: (p: number, q: number) => p + q,
    sub: (p: number, q: number) => p - q,
    mul: (p: number, q: number) => p * q,
    div: (p: number, q: number) => p / q,
    min: Math.min,
    max: Math.max,
  }[step.fn];
  for (let i = 0; i < y.length; i++) {
    const [p, q] = [xs[0]![a[i]!]!, data[b[i]!]!];
    y[i] = step.constantFirst ? apply(q, p) : apply(p, q);
  }
}

function softmax(step: SoftmaxStep, x: Float64Array, y: Float64Array, shape: readonly number[]): void {
  const inner = sizeOf(shape.slice(step.axis + 1));
  const size = shape[step.axis]!;
  for (let o = 0; o < x.length / (inner * size); o++) {
    for (let i = 0; i < inner; i++) {
      const at = Array.from({ length: size }, (_, k) => (o * size + k) * inner + i);
      const top = Math.max(...at.map((k) => x[k]!));
      const sum = at.reduce((total, k) => total + Math.exp(x[k]! - top), 0);
      for (const k of at) y[k] = step.log ? x[k]! - top - Math.log(sum) : Math.exp(x[k]! - top) / sum;
    }
  }
}

function normalise(
  step: NormStep,
  x: Float64Array,
  shape: readonly number[],
  samples: number,
  norm: NormStatistics,
  y: Float64Array,
): NormStats | undefined {
  const size = sizeOf(shape);
  if (step.op === 'affine') {
    const scale = step.scale && broadcastSources(step.scale.shape, shape);
    const shift = step.shift && broadcastSources(step.shift.shape, shape);
    for (let i = 0; i < y.length; i++) {
      const e = i % size;
      y[i] = x[i]! * (scale ? step.scale!.data[scale[e]!]! : 1) + (shift ? step.shift!.data[shift[e]!]! : 0);
    }
    return undefined;
  }
  const channelSize = sizeOf(shape.slice(1));
  const channelOf = (e: number) => Math.floor(e / channelSize);
  // The set an element shares its statistics with: a channel of all samples, or a part of one sample.
  const parts =
    step.op === 'batch'
      ? shape[0]!
      : step.op === 'group'
        ? step.groups
        : sizeOf(shape.slice(0, shape.length - step.axes));
  const partOf = (n: number, e: number) =>
    step.op === 'batch' ? channelOf(e) : n * parts + Math.floor((e * parts) / size);
  const count = step.op === 'batch' ? parts : samples * parts;
  const members = (samples * size) / count;
  const mean = new Float64Array(count);
  const variance = new Float64Array(count);
  const each = (visit: (i: number, part: number, e: number) => void) => {
    for (let i = 0; i < y.length; i++) visit(i, partOf(Math.floor(i / size), i % size), i % size);
  };
  if (step.op === 'batch' && norm === 'running') {
    mean.set(step.mean);
    variance.set(step.variance);
  } else {
    each((i, p) => {
      mean[p]! += x[i]! / members;
    });
    each((i, p) => {
      variance[p]! += (x[i]! - mean[p]!) ** 2 / members;
    });
  }
  const gamma =
    step.op === 'layer'
      ? broadcastSources(step.scale.shape, shape.slice(shape.length - step.axes))
      : undefined;
  const beta =
    step.op === 'layer' && step.bias
      ? broadcastSources(step.bias.shape, shape.slice(shape.length - step.axes))
      : undefined;
  const a2 = new Float64Array(y.length);
  each((i, p, e) => {
    a2[i] = 1 / (variance[p]! + step.epsilon);
    let [scale, shift] = [0, 0];
    if (step.op === 'layer') {
      const at = e % gamma!.length;
      [scale, shift] = [step.scale.data[gamma![at]!]!, beta ? step.bias!.data[beta[at]!]! : 0];
    } else [scale, shift] = [step.scale[channelOf(e)]!, step.bias[channelOf(e)]!];
    y[i] = (x[i]! - mean[p]!) * Math.sqrt(a2[i]!) * scale + shift;
  });
  if (step.op === 'batch') return { pooled: variance };
  // mean(a²): over everything for LayerNorm, per group for the others, over the samples of the micro-batch.
  const sets = step.op === 'layer' ? 1 : parts;
  const setOf = (e: number) => (step.op === 'layer' ? 0 : Math.floor((e * parts) / size));
  const sums = new Float64Array(sets);
  each((i, _, e) => {
    sums[setOf(e)]! += a2[i]! / ((samples * size) / sets);
  });
  return { pooled: Float64Array.from({ length: size }, (_, e) => sums[setOf(e)]!), a2 };
}
