import { linearMacs } from '../analysis/work.js';
import {
  type StepPart,
  type StepProblem,
  type StepSetting,
  stepSizes,
  timeStep,
} from '../backend/native/time-step.js';
import { PxError } from '../errors.js';
import { type Uniform, uniformSource } from '../models/random.js';
import type { LinearStep } from '../plan/plan.js';
import { countKept, fullMask } from '../prune/masks.js';
import { randomFloats, randomMask } from './inputs.js';
import { PlainStep } from './plain-linear.js';
import type { BenchModel } from './rounds.js';

/** A linear step to be measured by itself. */
export interface KernelCase {
  readonly name: string;
  readonly step: LinearStep;
  /** Stored layout. */
  readonly weights: Float32Array;
  readonly samples: number;
}

export interface KernelOptions extends StepSetting {
  readonly parts: readonly StepPart[];
  readonly densities: readonly number[];
  readonly repeats: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

export interface KernelTiming extends StepSetting {
  readonly name: string;
  readonly part: StepPart;
  /** Share of the weights that was asked for, and the share that chance has kept. */
  readonly density: number;
  readonly kept: number;
  readonly samples: number;
  /** Floating-point operations with every weight there, two per multiply-accumulate; padding counts as input. */
  readonly denseFlop: number;
  readonly seconds: readonly number[];
}

/** Numbers looked at in every result, beside a check of all that they are finite. */
const PLACES = 64;

/**
 * Checks and measures a step's parts at every density, on random input.
 *
 * @throws PxError ERR_NUMERIC where a result is not what its definition says, and as `timeStep`
 */
export async function timeKernel(kernel: KernelCase, options: KernelOptions): Promise<KernelTiming[]> {
  const { parts, densities, repeats, seed, signal, ...setting } = options;
  const { name, step, weights, samples } = kernel;
  const uniform = uniformSource(seed);
  const { input, output } = stepSizes(step);
  const signed = randomFloats(samples * input, uniform);
  const positive = signed.map(Math.abs);
  const d = randomFloats(samples * output, uniform).map(Math.abs);
  const timings: KernelTiming[] = [];
  for (const share of densities) {
    const mask = share === 1 ? fullMask(weights.length) : randomMask(weights.length, share, uniform);
    for (const part of parts) {
      const problem = { step, part, weights, mask, samples, x: part === 'f' ? signed : positive, d };
      const { seconds, result } = await timeStep(problem, setting, repeats, signal);
      verifyStep(name, problem, result, uniform);
      timings.push({
        ...setting,
        name,
        part,
        density: share,
        kept: countKept(mask) / weights.length,
        samples,
        denseFlop: 2 * linearMacs(step) * samples,
        seconds,
      });
    }
  }
  return timings;
}

/** All steps together, by part and density; each repeat is the sum of the steps' own. */
export function sumOf(timings: readonly KernelTiming[], name: string): KernelTiming[] {
  const sums = new Map<string, KernelTiming>();
  for (const timing of timings) {
    const key = `${timing.part} ${timing.density}`;
    const before = sums.get(key);
    if (before === undefined) {
      sums.set(key, { ...timing, name });
      continue;
    }
    const denseFlop = before.denseFlop + timing.denseFlop;
    const kept = (before.kept * before.denseFlop + timing.kept * timing.denseFlop) / denseFlop;
    const seconds = before.seconds.map((value, i) => value + timing.seconds[i]!);
    sums.set(key, { ...before, denseFlop, kept, seconds });
  }
  return [...sums.values()];
}

/** The linear steps of a model. Those that only gate exist in f alone. */
export function layersOf(
  { plan, weights }: BenchModel,
  samples: number,
): (KernelCase & { signal: boolean })[] {
  return plan.steps.flatMap((step) => {
    if (step.kind !== 'linear') return [];
    const { name, shape } = plan.params[step.weight.param]!;
    return [
      {
        name: `${name} ${shape.join('×')}`,
        step,
        weights: weights[step.weight.param]!,
        samples,
        signal: plan.values[step.output]!.signal,
      },
    ];
  });
}

/**
 * Compares a result with its definition, at places drawn by chance. Float32 rounds each of a sum's steps; errors of
 * short runs grow with the root of their length, and h may be the difference of two sums (what is pruned off that of all).
 *
 * @throws PxError ERR_NUMERIC
 */
export function verifyStep(name: string, problem: StepProblem, result: Float32Array, uniform: Uniform): void {
  const plain = new PlainStep(problem);
  const wrong = (index: number, wanted: string) =>
    new PxError(
      'ERR_NUMERIC',
      `not measured, for the result is wrong: ${problem.part} of ${name}, element ${index}, is ${result[index]} instead of ${wanted}`,
    );
  const unsound = result.findIndex((value) => !Number.isFinite(value));
  if (unsound >= 0) throw wrong(unsound, 'a number');
  for (let place = 0; place < PLACES; place++) {
    const index = Math.floor(uniform() * result.length);
    const { value, magnitude, terms } = plain.at(index);
    const allowed = 2 ** -24 * (8 + 3 * Math.sqrt(terms)) * magnitude;
    if (!(Math.abs(result[index]! - value) <= allowed)) throw wrong(index, `${value} ± ${allowed}`);
  }
}
