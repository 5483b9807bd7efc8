import type { Method } from '../backend/backend.js';
import type { Plan, Step, ValueId } from '../plan/plan.js';

export interface MemoryOptions {
  readonly method: Method;
  /** Samples a micro-batch holds. */
  readonly microBatch: number;
}

/** Bytes, estimated from above; weights and decoded images are not counted. */
export interface MemoryEstimate {
  /** The most that activations, tape and gradients take together during a micro-batch. */
  readonly microBatch: number;
  /** g's forward and backward at batch 1. */
  readonly weightPass: number;
  /** Scores, masks and selection: one round's results and the next one's masks. */
  readonly selection: number;
  readonly total: number;
}

const FLOAT = 4;

/**
 * Working memory of a scoring round, by walking the Plan as the engine does: a value lives from its step to its last reader, in f
 * and, where it is a signal, in h or j too; px-joint keeps for the way back what its adjoint reads.
 */
export function estimateMemory(plan: Plan, options: MemoryOptions): MemoryEstimate {
  const samples = padToLanes(options.microBatch);
  const microBatch = options.method === 'px' ? peakForward(plan, samples).peak : peakJoint(plan, samples);
  const weights = plan.params.reduce((sum, param) => sum + param.size, 0);
  const signals = plan.values.reduce((sum, value) => sum + (value.signal ? elements(value.shape) : 0), 0);
  // g: every signal once forward (its tape) and two columns of gradients, of which few live at a time.
  const weightPass = options.method === 'px' ? signals * FLOAT * 3 : 0;
  const selection = weights * FLOAT * 2 + weights / 4;
  // g runs after the data: the two never live together.
  const total = Math.max(microBatch, weightPass) + selection;
  return { microBatch, weightPass, selection, total };
}

/** The largest micro-batch, at most `most`, whose estimate stays within `limit` bytes; 0 where even one sample does not. */
export function largestMicroBatch(plan: Plan, method: Method, most: number, limit: number): number {
  let fits = 0;
  let over = most + 1;
  while (over - fits > 1) {
    const middle = Math.floor((fits + over) / 2);
    if (estimateMemory(plan, { method, microBatch: middle }).total <= limit) fits = middle;
    else over = middle;
  }
  return fits;
}

/** Samples are computed in blocks of 4, 8 or 16. */
function padToLanes(samples: number): number {
  const lanes = samples > 8 ? 16 : samples > 4 ? 8 : 4;
  return Math.ceil(samples / lanes) * lanes;
}

/** The most bytes alive during the forward walk, and the tape it leaves. */
function peakForward(plan: Plan, samples: number, tapeOf: (step: Step) => number = () => 0) {
  const lastReader = new Map<ValueId, number>();
  plan.steps.forEach((step, i) => {
    for (const id of step.inputs) lastReader.set(id, i);
  });
  for (const { value } of plan.outputs) lastReader.set(value, plan.steps.length);
  const bytes = (id: ValueId) => {
    const { shape, signal } = plan.values[id]!;
    return elements(shape) * samples * FLOAT * (signal ? 2 : 1);
  };
  let alive = bytes(plan.input);
  let tape = 0;
  let peak = alive;
  plan.steps.forEach((step, i) => {
    alive += bytes(step.output);
    tape += tapeOf(step) * samples;
    peak = Math.max(peak, alive + tape);
    const done = new Set([...step.inputs, step.output].filter((id) => (lastReader.get(id) ?? i) <= i));
    for (const id of done) alive -= bytes(id);
  });
  return { peak, tape };
}

/** Forward with a tape, then backward: gradients of the values between a step and its readers, beside what is left of the tape. */
function peakJoint(plan: Plan, samples: number): number {
  const tapeOf = (step: Step) => tapeBytes(plan, step);
  const forward = peakForward(plan, samples, tapeOf);
  const gradient = (id: ValueId) => (plan.values[id]!.signal ? elements(plan.values[id]!.shape) * samples * FLOAT : 0);
  const live = new Set<ValueId>(plan.outputs.map((output) => output.value));
  let alive = [...live].reduce((sum, id) => sum + gradient(id), 0);
  let tape = forward.tape;
  let peak = forward.peak;
  for (const step of [...plan.steps].reverse()) {
    for (const id of step.inputs) {
      if (!live.has(id)) alive += gradient(id);
      live.add(id);
    }
    peak = Math.max(peak, alive + tape);
    if (live.delete(step.output)) alive -= gradient(step.output);
    tape -= tapeOf(step) * samples;
  }
  return peak;
}

/** What the adjoint of j needs of one sample: a linear step's input, a gate's factor, a maximum's choice. */
function tapeBytes(plan: Plan, step: Step): number {
  const output = plan.values[step.output]!;
  if (!output.signal) return 0;
  const inputs = step.inputs.map((id) => elements(plan.values[id]!.shape));
  if (step.kind === 'linear') return inputs[0]! * FLOAT;
  if (step.kind !== 'gate') return 0;
  if (step.op === 'max') return elements(output.shape) * FLOAT;
  if (step.op === 'product') return inputs[1]! * FLOAT;
  const oneBit = step.fn === 'relu' || step.fn === 'leaky-relu' || step.fn === 'prelu';
  return oneBit ? inputs[0]! / 8 : inputs[0]! * FLOAT;
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
