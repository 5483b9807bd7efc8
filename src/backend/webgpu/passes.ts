import type { Plan } from '../../plan/plan.js';
import type { Method } from '../backend.js';
import { dense, elementwise, largest, scale, TOTAL_WORDS, total } from './kernels.js';
import { sizeOf } from './places.js';
import { f32, Recorder, type Scaled, type Tensor } from './recorder.js';
import { sumOver } from './steps/broadcast.js';
import { type DataPass, type Env, type StepExec, Walk } from './steps/step.js';

/** Σ_n h_k(x_n) (or j_k) over the round, per output of the graph. */
export function outputSums({ plan, store }: Env): (Scaled | undefined)[] {
  return plan.outputs.map(({ value }, k) => {
    const { signal, shape } = plan.values[value]!;
    return signal ? store.scaledSums(`sums of output ${k}`, sizeOf(shape)) : undefined;
  });
}

/** ∂R/∂θ² over the round, per parameter; undefined where no path crosses it. */
export function gradientSums({ plan, store }: Env): (Scaled | undefined)[] {
  return plan.params.map(({ gateOnly, size }, p) =>
    gateOnly ? undefined : store.scaledSums(`gradient of parameter ${p}`, size),
  );
}

export interface Recorded {
  readonly recorder: Recorder;
  /** Read by the host once the pass has run. */
  readonly keep: readonly Tensor[];
}

export interface DataRecorded extends Recorded {
  readonly input: Tensor;
  /** f per output of the graph. */
  readonly outputs: readonly Tensor[];
}

/** One micro-batch: f with h or j layer by layer, sums over its samples, and j's way back. `net` undefined: f alone. */
export function recordData(
  env: Env,
  steps: readonly StepExec[],
  samples: number,
  net: 'h' | 'j' | undefined,
): DataRecorded {
  const { plan, store } = env;
  const recorder = new Recorder(store.slots, env.workgroups);
  const input = recorder.tensor(samples * sizeOf(plan.values[plan.input]!.shape));
  const walk = net && new Walk(recorder, net, samples, net === 'j');
  const pass: DataPass = { recorder, samples, f: [], companion: walk };
  // A copy, so that an output may be the input itself and the first operation always reads what was sent.
  pass.f[plan.input] = recorder.tensor(input.elements);
  const copied = { a: input, out: pass.f[plan.input]!, step: plan.steps.length + 1 };
  elementwise(recorder, 'scaled', copied, dense(input.elements));
  if (walk) walk.values[plan.input] = squared(recorder, input);
  for (const step of steps) step.forward(pass);
  const outputs = plan.outputs.map(({ value }) => pass.f[value]!);
  if (walk) {
    addOutputs(env, walk);
    if (net === 'j') {
      plan.outputs.forEach(({ value }) => {
        const { shape, signal } = plan.values[value]!;
        if (signal) walk.addUpstream(0, value, constant(recorder, samples * sizeOf(shape), 1));
      });
      back(steps, walk, [0]);
      keepGradients(env, walk);
    }
  }
  return { recorder, keep: outputs, input, outputs };
}

/** x² near 1. */
function squared(recorder: Recorder, x: Tensor): Scaled {
  const slot = recorder.slot();
  largest(recorder, x, slot);
  const out = recorder.scaled(x.elements);
  return scale(recorder, 'square-alone', { b: x, bSlot: slot, out }, dense(x.elements));
}

function constant(recorder: Recorder, elements: number, value: number): Scaled {
  return scale(recorder, 'constant', { out: recorder.scaled(elements), alpha: value }, dense(elements));
}

/** The micro-batch's outputs of h or j, summed over its samples, onto those of the round. */
function addOutputs(env: Env, walk: Walk): void {
  outputSums(env).forEach((sums, k) => {
    if (!sums) return;
    const { value } = env.plan.outputs[k]!;
    const size = sums.tensor.elements;
    const kept = { dims: [size], strides: [1] };
    const summed = { dims: [walk.samples], strides: [size] };
    const part = sumOver(walk, walk.value(value), kept, summed, env.plan.outputs[k]!.name);
    addTo(walk, sums, part);
  });
}

function addTo(walk: Walk, sums: Scaled, part: Scaled): void {
  const together = walk.plus(sums, part);
  walk.recorder.copy(together.tensor, sums.tensor, [together.slot, sums.slot]);
}

function keepGradients(env: Env, walk: Walk): void {
  const sums = gradientSums(env);
  for (const [param, gradient] of walk.gradients) addTo(walk, sums[param]!, gradient);
}

function back(steps: readonly StepExec[], walk: Walk, columns: readonly number[]): void {
  for (const step of steps.toReversed()) {
    if (!step.signal) continue;
    for (const column of columns) {
      step.down(walk, column);
      walk.upstream[column]![step.step.output] = undefined;
    }
  }
}

/** Where the host finds what the totals of a pass add up to: each so many words from its index on. */
export interface TotalsRecorded extends Recorded {
  readonly scalars: Tensor;
  /** Indices of the totals that R, ‖J_v f‖² and ‖J_θ v‖² consist of. */
  readonly R: readonly number[];
  readonly Jfv2: readonly number[];
  readonly Jvt2: readonly number[];
}

/** g forward and, with u and ones as upstreams, backward. */
export function recordG(env: Env, steps: readonly StepExec[]): TotalsRecorded {
  const { plan, store } = env;
  const recorder = new Recorder(store.slots, env.workgroups);
  const walk = new Walk(recorder, 'g', 1, true);
  const u = outputSums(env);
  const { R, Jfv2, Jvt2, pairs } = totals();
  walk.values[plan.input] = constant(recorder, sizeOf(plan.values[plan.input]!.shape), 1);
  for (const step of steps) if (step.signal) step.up(walk);
  plan.outputs.forEach(({ value }, k) => {
    const sums = u[k];
    if (!sums) return;
    R.push(pairs.push([sums, walk.value(value)]) - 1);
    Jfv2.push(pairs.push([sums]) - 1);
    walk.addUpstream(0, value, sums);
    walk.addUpstream(1, value, constant(recorder, sums.tensor.elements, 1));
  });
  const { scalars, add } = scalarsOf(recorder, pairs, plan);
  pairs.forEach((_, i) => {
    add(i);
  });
  back(steps, walk, [0, 1]);
  for (const pair of walk.totals) {
    Jvt2.push(pairs.push([...pair]) - 1);
    add(pairs.length - 1);
  }
  keepGradients(env, walk);
  return { recorder, keep: [scalars], scalars, R, Jfv2, Jvt2 };
}

/** R of px-joint: all that j's outputs add up to. */
export function recordJointTotals(env: Env): TotalsRecorded {
  const recorder = new Recorder(env.store.slots, env.workgroups);
  const { R, Jfv2, Jvt2, pairs } = totals();
  for (const sums of outputSums(env)) if (sums) R.push(pairs.push([sums]) - 1);
  const { scalars, add } = scalarsOf(recorder, pairs, env.plan);
  pairs.forEach((_, i) => {
    add(i);
  });
  return { recorder, keep: [scalars], scalars, R, Jfv2, Jvt2 };
}

function totals() {
  return {
    R: [] as number[],
    Jfv2: [] as number[],
    Jvt2: [] as number[],
    pairs: [] as [Scaled, Scaled?][],
  };
}

function scalarsOf(recorder: Recorder, pairs: readonly [Scaled, Scaled?][], plan: Plan) {
  const most = 2 * plan.outputs.length + plan.steps.length;
  const scalars = recorder.tensor(most * TOTAL_WORDS);
  const add = (i: number) => total(recorder, scalars, i * TOTAL_WORDS, ...pairs[i]!);
  return { scalars, add };
}

export interface ScoresRecorded extends Recorded {
  /** Per parameter; undefined where no path crosses it. */
  readonly scores: readonly (Tensor | undefined)[];
}

/** Scores from gradients. `inverse` holds 1/R, written by the host. */
export function recordScores(env: Env, inverse: Tensor): ScoresRecorded {
  const { store } = env;
  const recorder = new Recorder(store.slots, env.workgroups);
  const scores = gradientSums(env).map((gradient, p) => {
    if (!gradient) return undefined;
    const count = gradient.tensor.elements;
    const out = recorder.tensor(count);
    recorder.strided(
      { shader: 'score', overrides: {} },
      [store.weights[p], store.masks[p], gradient.tensor, inverse, out],
      [count, gradient.slot, f32(2 ** store.shifts[p]!), 0],
      count,
    );
    return out;
  });
  return { recorder, keep: scores.filter((t): t is Tensor => t !== undefined), scores };
}

/** Every kernel that these passes may use, whatever the number of samples. */
export function kernelsOf(
  env: Env,
  steps: readonly StepExec[],
  method: Method,
  inverse: Tensor,
): { recorded: readonly Recorded[]; slots: number } {
  const net = method === 'px' ? 'h' : 'j';
  // Small and large: which kernel is the right one changes once, somewhere between.
  const recorded = [1, 4096].flatMap((samples) => [
    recordData(env, steps, samples, net),
    recordData(env, steps, samples, undefined),
  ]);
  const end = method === 'px' ? recordG(env, steps) : recordJointTotals(env);
  const all: Recorded[] = [...recorded, end, recordScores(env, inverse)];
  return { recorded: all, slots: Math.max(...all.map(({ recorder }) => recorder.slots)) };
}
