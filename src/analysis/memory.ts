import type { Method } from '../backend/backend.js';
import type { Plan, Step, ValueId } from '../plan/plan.js';

export interface MemoryOptions {
  readonly method: Method;
  /** Samples a micro-batch holds. */
  readonly microBatch: number;
}

/** Bytes, estimated from above; the model itself and decoded images are not counted. */
export interface MemoryEstimate {
  /** Activations, tape and gradients while a micro-batch is pushed. */
  readonly microBatch: number;
  /** The same while g is evaluated: one sample, forward, and backward with two upstreams (px alone). */
  readonly weightPass: number;
  /** What is kept per weight: its score, masks, and packed copies of the largest tensor. */
  readonly weights: number;
  readonly total: number;
}

const FLOAT = 4;
/** Freed buffers wait for the next layer; they make the engine hold up to a quarter more than it uses. */
const POOL_SLACK = 1.25;

/** One walk over the Plan: which networks travel together, and what it keeps for the way back. */
interface Pass {
  readonly samples: number;
  /** f travels along, beside h or j. */
  readonly withF: boolean;
  /** Upstreams of the way back; 0 where there is none. */
  readonly columns: 0 | 1 | 2;
}

/** Working memory of a scoring round, by walking the Plan as the engine does: a value lives from its step to its last reader. */
export function estimateMemory(plan: Plan, options: MemoryOptions): MemoryEstimate {
  const samples = padToLanes(options.microBatch);
  const joint = options.method === 'px-joint';
  const microBatch = peak(plan, { samples, withF: true, columns: joint ? 1 : 0 });
  const weightPass = joint ? 0 : peak(plan, { samples: 1, withF: false, columns: 2 });
  const sizes = plan.params.map((param) => param.size);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  // The score, which was a gradient before, four sets of packed masks (old, new, last good, the engine's), one of bytes for the file.
  const weights = all * (FLOAT + 4 / 8 + 1) + 2 * Math.max(0, ...sizes) * FLOAT;
  // g is evaluated after the data: the two walks never live together.
  const total = POOL_SLACK * Math.max(microBatch, weightPass) + weights;
  return { microBatch, weightPass, weights, total };
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

/** Samples are computed in blocks of up to 16, three and fewer one by one. */
function padToLanes(samples: number): number {
  if (samples <= 3) return samples;
  return Math.ceil(samples / 16) * 16;
}

/** The most bytes alive at once, forward and back. */
function peak(plan: Plan, pass: Pass): number {
  const forward = walkForward(plan, pass);
  return pass.columns === 0 ? forward.peak : Math.max(forward.peak, walkBack(plan, pass, forward.tape));
}

function walkForward(plan: Plan, pass: Pass): { peak: number; tape: number } {
  const lastReader = new Map<ValueId, number>();
  plan.steps.forEach((step, i) => {
    for (const id of step.inputs) lastReader.set(id, i);
  });
  for (const { value } of plan.outputs) lastReader.set(value, plan.steps.length);
  const bytes = (id: ValueId) => floats(plan, id) * pass.samples * FLOAT * networks(plan, id, pass);
  let alive = bytes(plan.input);
  let tape = 0;
  let most = alive;
  plan.steps.forEach((step, i) => {
    alive += bytes(step.output);
    tape += tapeBytes(plan, step, pass);
    most = Math.max(most, alive + tape);
    const done = new Set([...step.inputs, step.output].filter((id) => (lastReader.get(id) ?? i) <= i));
    for (const id of done) alive -= bytes(id);
  });
  return { peak: most, tape };
}

/** Backward: gradients of the values between a step and its readers, beside what is left of the tape. */
function walkBack(plan: Plan, pass: Pass, fullTape: number): number {
  const gradient = (id: ValueId) =>
    plan.values[id]!.signal ? floats(plan, id) * pass.samples * FLOAT * pass.columns : 0;
  const live = new Set<ValueId>(plan.outputs.map((output) => output.value));
  let alive = [...live].reduce((sum, id) => sum + gradient(id), 0);
  let tape = fullTape;
  let most = alive + tape;
  for (const step of [...plan.steps].reverse()) {
    for (const id of step.inputs) {
      if (!live.has(id)) alive += gradient(id);
      live.add(id);
    }
    most = Math.max(most, alive + tape);
    if (live.delete(step.output)) alive -= gradient(step.output);
    tape -= tapeBytes(plan, step, pass);
  }
  return most;
}

/** How many arrays a value is: f's, and where it is a signal h's, g's or j's. */
function networks(plan: Plan, id: ValueId, { withF }: Pass): number {
  return (withF ? 1 : 0) + (plan.values[id]!.signal ? 1 : 0);
}

/** What the way back needs of a step: a linear step's input; with f also a gate's factor and a maximum's choice. */
function tapeBytes(plan: Plan, step: Step, { samples, withF, columns }: Pass): number {
  if (columns === 0 || !plan.values[step.output]!.signal) return 0;
  const inputs = step.inputs.map((id) => floats(plan, id) * samples);
  if (step.kind === 'linear') return inputs[0]! * FLOAT;
  if (step.kind !== 'gate' || !withF) return 0;
  if (step.op === 'max') return floats(plan, step.output) * samples * FLOAT;
  if (step.op === 'product') return inputs[1]! * FLOAT;
  const oneBit = step.fn === 'relu' || step.fn === 'leaky-relu' || step.fn === 'prelu';
  return oneBit ? inputs[0]! / 8 : inputs[0]! * FLOAT;
}

/** Numbers one sample of a value has. */
function floats(plan: Plan, id: ValueId): number {
  return plan.values[id]!.shape.reduce((product, size) => product * size, 1);
}
