import type { Log2Scalars, Method, NormStatistics } from '../../src/backend/backend.js';
import type { LinearStep, NormStep, Plan, Step } from '../../src/plan/plan.js';
import { concatEntries, forward, type NormStats, type Trace } from './forward.js';
import { axisEntries, broadcastSources, type Entry, linearTerms, sizeOf, viewSources } from './maps.js';

/**
 * The project's own definition of a scoring round, in plain float64 loops over a Plan: every step of h, g and j is a sparse matrix,
 * visited entry by entry, forward or transposed. Slow and readable; no scaling, so nets deeper than about 2^1000 in h overflow.
 */
export interface ReferenceOptions {
  readonly method: Method;
  readonly norm: NormStatistics;
  /** 0/1 per weight, stored layout; default all ones. */
  readonly masks?: readonly Uint8Array[];
  /** Near-equal parts in order, the larger first; default 128. */
  readonly microBatch?: number;
}

export interface ReferenceResult {
  /** S_j / R per parameter; all 0 where R is 0. */
  readonly scores: readonly Float64Array[];
  /** Σ_n h per output, scaled so that the largest over all outputs is 1; px only. */
  readonly u?: readonly Float64Array[];
  /** f per output, [samples, ...shape]. */
  readonly y: readonly Float64Array[];
  readonly log2: Log2Scalars;
}

type Network = 'h' | 'g' | 'j';

/** What the factors of one network are taken from: f's trace for h and j, averaged statistics for g. */
interface Factors {
  readonly network: Network;
  readonly running: boolean;
  readonly trace?: Trace;
  readonly stats: ReadonlyMap<Step, NormStats>;
}

/** @param x [samples, ...input shape] */
export function referenceRound(
  plan: Plan,
  weights: readonly Float32Array[],
  x: ArrayLike<number>,
  samples: number,
  options: ReferenceOptions,
): ReferenceResult {
  const { method, norm, microBatch = 128 } = options;
  const masks = weights.map((w, p) => Float64Array.from(w, (_, j) => options.masks?.[p]?.[j] ?? 1));
  const theta = weights.map((w, p) => Float64Array.from(w, (v, j) => v * masks[p]![j]!));
  const theta2 = theta.map((w) => w.map((v) => v * v));
  const inSize = sizeOf(plan.values[plan.input]!.shape);
  const outSizes = plan.outputs.map(({ value }) => sizeOf(plan.values[value]!.shape));
  const y = outSizes.map((size) => new Float64Array(samples * size));
  const u = outSizes.map((size) => new Float64Array(size));
  const gradient = theta2.map((w) => new Float64Array(w.length));
  const pooled = new Map<Step, NormStats>();
  let joint = 0;

  const parts = Math.ceil(samples / microBatch);
  for (let part = 0, at = 0; part < parts; part++) {
    const count = Math.floor(samples / parts) + (part < samples % parts ? 1 : 0);
    const batch = Float64Array.from({ length: count * inSize }, (_, i) => x[at * inSize + i]!);
    const trace = forward(plan, theta, batch, count, norm);
    plan.outputs.forEach(({ value }, k) => y[k]!.set(trace.values[value]!, at * outSizes[k]!));
    addStats(pooled, trace.norms, count / samples);
    const factors: Factors = {
      network: method === 'px' ? 'h' : 'j',
      running: norm === 'running',
      trace,
      stats: trace.norms,
    };
    for (let n = 0; n < count; n++) {
      const x2 = batch.subarray(n * inSize, (n + 1) * inSize).map((v) => v * v);
      const tape = propagate(plan, factors, method === 'px' ? masks : theta2, x2, n);
      const outputs = plan.outputs.map(({ value }) => tape[value]!);
      if (method === 'px') outputs.forEach((h, k) => h.forEach((v, i) => (u[k]![i]! += v)));
      else {
        joint += outputs.reduce((sum, j) => sum + j.reduce((s, v) => s + v, 0), 0);
        backpropagate(
          plan,
          factors,
          theta2,
          tape,
          outputs.map((j) => j.map(() => 1)),
          gradient,
          n,
        );
      }
    }
    at += count;
  }

  const result = (R: number, log2: Log2Scalars, extra: { u?: Float64Array[] } = {}): ReferenceResult => {
    const scores = gradient.map((d, p) => d.map((v, j) => (R > 0 ? (theta2[p]![j]! * v) / R : 0)));
    return { scores, y, log2, ...extra };
  };
  if (method === 'px-joint') return result(joint, { R: Math.log2(joint) });

  const factors: Factors = { network: 'g', running: norm === 'running', stats: pooled };
  const tape = propagate(plan, factors, theta2, new Float64Array(inSize).fill(1), 0);
  const g = plan.outputs.map(({ value }) => tape[value]!);
  // u is taken relative to its largest, so that u·g stays in range.
  const top = Math.max(...u.map((part) => part.reduce((m, v) => Math.max(m, v), 0)));
  const scaled = u.map((part) => part.map((v) => (top > 0 ? v / top : 0)));
  const R = g.reduce((sum, part, k) => sum + part.reduce((s, v, i) => s + v * scaled[k]![i]!, 0), 0);
  backpropagate(plan, factors, theta2, tape, scaled, gradient, 0);
  const ones = theta2.map((w) => new Float64Array(w.length));
  backpropagate(
    plan,
    factors,
    theta2,
    tape,
    scaled.map((part) => part.map(() => 1)),
    ones,
    0,
  );
  const Jvt2 = ones.reduce((sum, d, p) => sum + d.reduce((s, v, j) => s + v * masks[p]![j]!, 0), 0);
  const Jfv2 = scaled.reduce((sum, part) => sum + part.reduce((s, v) => s + v, 0), 0);
  const log2 = {
    R: Math.log2(R) + Math.log2(top),
    Jfv2: Math.log2(Jfv2) + Math.log2(top),
    Jvt2: Math.log2(Jvt2),
  };
  return result(R, { ...log2, R: R > 0 ? log2.R : -Infinity }, { u: scaled });
}

/** Sample-weighted mean of the statistics over the micro-batches. */
function addStats(pooled: Map<Step, NormStats>, stats: ReadonlyMap<Step, NormStats>, weight: number): void {
  for (const [step, { pooled: values }] of stats) {
    const before = pooled.get(step)?.pooled;
    pooled.set(step, { pooled: values.map((v, i) => (before?.[i] ?? 0) + v * weight) });
  }
}

/** One sample of h, g or j forward: an array for every value on a path. */
function propagate(
  plan: Plan,
  factors: Factors,
  weights: readonly Float64Array[],
  x: Float64Array,
  n: number,
): Float64Array[] {
  const tape: Float64Array[] = plan.values.map(({ shape }) => new Float64Array(sizeOf(shape)));
  tape[plan.input] = x;
  for (const step of plan.steps) {
    if (!plan.values[step.output]!.signal) continue;
    const out = tape[step.output]!;
    if (step.kind === 'linear') {
      const [w, c, input] = [
        weights[step.weight.param]!,
        coefficientOf(step, factors),
        tape[step.inputs[0]!]!,
      ];
      linearTerms(step, (o, i, k) => (out[o]! += c * w[k]! * input[i]!));
    } else
      entriesOf(plan, step, factors, n, (slot, o, i, c) => (out[o]! += c * tape[step.inputs[slot]!]![i]!));
  }
  return tape;
}

/** The transpose of `propagate`; adds ∂(upstream · outputs)/∂weights to `gradient`. */
function backpropagate(
  plan: Plan,
  factors: Factors,
  weights: readonly Float64Array[],
  tape: readonly Float64Array[],
  upstream: readonly Float64Array[],
  gradient: readonly Float64Array[],
  n: number,
): void {
  const up = tape.map((values) => new Float64Array(values.length));
  plan.outputs.forEach(({ value }, k) => {
    if (plan.values[value]!.signal) upstream[k]!.forEach((v, i) => (up[value]![i]! += v));
  });
  for (const step of plan.steps.toReversed()) {
    if (!plan.values[step.output]!.signal) continue;
    const from = up[step.output]!;
    if (step.kind === 'linear') {
      const [w, c] = [weights[step.weight.param]!, coefficientOf(step, factors)];
      const [input, into, d] = [tape[step.inputs[0]!]!, up[step.inputs[0]!]!, gradient[step.weight.param]!];
      linearTerms(step, (o, i, k) => {
        into[i]! += c * w[k]! * from[o]!;
        d[k]! += c * from[o]! * input[i]!;
      });
    } else
      entriesOf(plan, step, factors, n, (slot, o, i, c) => (up[step.inputs[slot]!]![i]! += c * from[o]!));
  }
}

function coefficientOf(step: LinearStep, { network }: Factors): number {
  return network === 'j' ? step.alpha ** 2 : Math.abs(step.alpha);
}

/** Every entry of a step's matrix in h, g or j for sample n; `slot` says of which input. */
function entriesOf(
  plan: Plan,
  step: Exclude<Step, LinearStep>,
  factors: Factors,
  n: number,
  entry: (slot: number, ...rest: Parameters<Entry>) => void,
): void {
  const { network, trace } = factors;
  const shape = plan.values[step.output]!.shape;
  const shapes = step.inputs.map((id) => plan.values[id]!.shape);
  const size = sizeOf(shape);
  const sample = (values: Float64Array, of: number) => values.subarray(n * of, (n + 1) * of);
  switch (step.kind) {
    case 'fixed': {
      const power = network === 'j' ? 2 : 1;
      axisEntries(step, shapes[0]!, shape, (o, i, c) =>
        entry(0, o, i, Math.abs(step.coefficient * c) ** power),
      );
      return;
    }
    case 'gate':
      if (step.op === 'max') {
        if (network === 'g') axisEntries(step, shapes[0]!, shape, (o, i) => entry(0, o, i, 1));
        else
          trace!.choices
            .get(step)!
            .subarray(n * size, (n + 1) * size)
            .forEach((i, o) => entry(0, o, i, 1));
      } else if (step.op === 'activation') {
        const z = trace && sample(trace.values[step.inputs[0]!]!, size);
        const y = trace && sample(trace.values[step.output]!, size);
        for (let i = 0; i < size; i++)
          entry(0, i, i, network === 'g' ? 1 : z![i] === 0 ? 0 : (y![i]! / z![i]!) ** 2);
      } else {
        const from = broadcastSources(shapes[0]!, shape);
        const gates = broadcastSources(shapes[1]!, shape);
        const q = trace && sample(trace.values[step.inputs[1]!]!, sizeOf(shapes[1]!));
        from.forEach((i, o) =>
          entry(0, o, i, network === 'g' ? 1 : step.divide ? 1 / q![gates[o]!]! ** 2 : q![gates[o]!]! ** 2),
        );
      }
      return;
    case 'norm': {
      const [h, g] = normFactors(step, shape, factors, n);
      for (let i = 0; i < size; i++)
        entry(0, i, i, network === 'h' ? h(i) : network === 'g' ? g(i) : h(i) * g(i));
      return;
    }
    case 'sum':
      if (step.op === 'concat') {
        concatEntries(step, shapes, shape, (part, o, i) => {
          if (typeof part === 'number') entry(part, o, i, 1);
        });
      } else
        shapes.forEach((from, slot) => broadcastSources(from, shape).forEach((i, o) => entry(slot, o, i, 1)));
      return;
    case 'view':
      viewSources(step, shapes[0]!, shape).forEach((i, o) => entry(0, o, i, 1));
      return;
    case 'f-only':
      throw new Error(`${step.name}: an f-only step on a path`);
  }
}

/** A norm's factors in h and in g at element i of sample n. */
function normFactors(
  step: NormStep,
  shape: readonly number[],
  { running, stats }: Factors,
  n: number,
): [(i: number) => number, (i: number) => number] {
  if (step.op === 'affine') {
    const from = step.scale && broadcastSources(step.scale.shape, shape);
    return [() => 1, (i) => (from ? step.scale!.data[from[i]!]! ** 2 : 1)];
  }
  const channel = sizeOf(shape.slice(1));
  const { pooled, a2 } = stats.get(step) ?? { pooled: new Float64Array() };
  if (step.op === 'batch') {
    const variance = running ? step.variance : pooled;
    return [
      () => 1,
      (i) => step.scale[Math.floor(i / channel)]! ** 2 / (variance[Math.floor(i / channel)]! + step.epsilon),
    ];
  }
  const layer =
    step.op === 'layer' ? broadcastSources(step.scale.shape, shape.slice(shape.length - step.axes)) : [];
  const gamma = (i: number) =>
    step.op === 'layer' ? step.scale.data[layer[i % layer.length]!]! : step.scale[Math.floor(i / channel)]!;
  const size = sizeOf(shape);
  return [
    (i) => a2![n * size + i]! / (running ? 1 : pooled[i]!),
    (i) => gamma(i) ** 2 * (running ? 1 : pooled[i]!),
  ];
}
