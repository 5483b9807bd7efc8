import type { LinearStep, Plan } from '../../plan/plan.js';
import { loadAddon, type NativeStepOptions } from './addon.js';
import { abortable } from './translate.js';
import { encodePlan } from './wire.js';

/** f, h and j forward, and the halves of j's adjoint. */
export type StepPart = NativeStepOptions['part'];

/** What one linear step is run on. Arrays are borrowed until the promise settles. */
export interface StepProblem {
  readonly step: LinearStep;
  readonly part: StepPart;
  /** Stored layout. */
  readonly weights: Float32Array;
  /** Packed. */
  readonly mask: Uint8Array;
  readonly samples: number;
  /** [samples, input], not negative but for f. */
  readonly x: Float32Array;
  /** [samples, output], not negative: the upstream of the gradients. */
  readonly d: Float32Array;
}

export interface StepSetting {
  readonly threads: number;
  /** Highest instruction set allowed; default: what `PX_ISA` says, else the best. */
  readonly isa?: string | undefined;
}

/**
 * Runs one linear step by itself, once unmeasured and `repeats` times measured.
 *
 * @returns seconds of each time, and what came out: [samples, output], [samples, input] or the weights' stored layout
 * @throws PxError ERR_BACKEND, ERR_MEMORY, ERR_ABORTED, ERR_STATE (an array was taken away meanwhile)
 */
export async function timeStep(
  problem: StepProblem,
  { threads, isa = process.env.PX_ISA }: StepSetting,
  repeats: number,
  signal?: AbortSignal | undefined,
): Promise<{ seconds: number[]; result: Float32Array }> {
  const { step, part, weights, mask, samples, x, d } = problem;
  const plan = encodePlan(planOf(step, weights.length, part === 'weight-gradient'));
  const result = new Float32Array(
    part === 'weight-gradient' ? weights.length : part === 'data-gradient' ? x.length : d.length,
  );
  const seconds = new Float64Array(repeats);
  const options = { part, samples, threads, ...(isa === undefined ? {} : { isa }) };
  await abortable(() => loadAddon().timeStep(plan, weights, mask, options, x, d, result, seconds), signal);
  return { seconds: [...seconds], result };
}

/** FLOP/s of multiplications and additions on registers alone, all threads together. */
export function measurePeak({ threads, isa = process.env.PX_ISA }: StepSetting): Promise<number> {
  return abortable(() => loadAddon().measurePeak(threads, isa), undefined);
}

/** Numbers that a sample has on the step's two sides. */
export function stepSizes(step: LinearStep): { input: number; output: number } {
  const { input, output } = shapesOf(step);
  return { input: product(input), output: product(output) };
}

/** Channels first, whatever they are in the model: as the engine sees images. */
function shapesOf({ groups, inChannels, outChannels, spatial }: LinearStep) {
  return {
    input: [groups * inChannels, ...spatial.map((axis) => axis.inSize)],
    output: [groups * outChannels, ...spatial.map((axis) => axis.outSize)],
  };
}

function product(shape: readonly number[]): number {
  return shape.reduce((size, n) => size * n, 1);
}

/** The step alone. Unless it is to read the Plan's input itself (which gets no gradient), a view stands between. */
function planOf(step: LinearStep, weights: number, readsInput: boolean): Plan {
  const { input, output } = shapesOf(step);
  const values = [input, ...(readsInput ? [] : [input]), output].map((shape, i) => ({
    name: `v${i}`,
    shape,
    signal: true,
  }));
  const [from, to] = [values.length - 2, values.length - 1];
  return {
    version: 1,
    input: 0,
    values,
    params: [{ name: 'w', shape: [weights], size: weights, gateOnly: false }],
    steps: [
      ...(readsInput
        ? []
        : [{ kind: 'view', op: 'reshape', name: 'input', inputs: [0], output: 1 } as const]),
      { ...step, weight: { ...step.weight, param: 0 }, inputs: [from], output: to },
    ],
    outputs: [{ name: 'y', value: to }],
  };
}
