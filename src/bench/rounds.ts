import { roundMacs } from '../analysis/work.js';
import type { Backend, Method, NormStatistics, Program } from '../backend/backend.js';
import { cpuBackend } from '../backend/native/cpu.js';
import type { Plan } from '../plan/plan.js';
import { type MicroBatch, type RoundControl, scoreRound } from '../prune/round.js';
import { randomMasks } from './inputs.js';
import { inTurns, measure, type Sample } from './sampling.js';

/** A model in memory: `LoadedModel` (plan/load.ts) is one. */
export interface BenchModel {
  readonly plan: Plan;
  readonly weights: readonly Float32Array[];
}

export interface RoundSetting {
  readonly method: Method;
  readonly norm: NormStatistics;
  readonly threads: number;
  /** Highest instruction set allowed; default: the best. */
  readonly isa?: string | undefined;
}

/** Where to measure. */
export interface On {
  /** Default: the cpu backend with the setting's instruction set. */
  readonly on?: Backend | undefined;
}

export interface RoundOptions extends RoundSetting, On {
  /** Shares of weights kept, each with masks of its own that keep weights by chance, in every tensor alike. */
  readonly densities: readonly number[];
  /** Rounds measured of each density, after one that is not. */
  readonly repeats: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRound?: (() => void) | undefined;
}

/** Scoring rounds of one model at one density. */
export interface RoundTiming extends RoundSetting {
  readonly density: number;
  /** Samples scored in each round. */
  readonly batch: number;
  /** What did the work, e.g. "cpu avx2 (2 threads)". */
  readonly backend: string;
  readonly samples: readonly Sample[];
  /** Floating-point operations of a round with every weight there, two per multiply-accumulate. */
  readonly denseFlop: number;
  /** The most bytes the program held beside weights and input. */
  readonly peakBytes: number;
}

/** Measures whole scoring rounds (masks set, every micro-batch pushed, scores handed over), densities taking turns. */
export async function timeRounds(
  model: BenchModel,
  batches: readonly MicroBatch[],
  options: RoundOptions,
): Promise<RoundTiming[]> {
  const { densities, repeats, seed, signal, onRound, on, ...setting } = options;
  const { params } = model.plan;
  const program = await compileFor(model, setting, on);
  try {
    const scores = params.map(({ size }) => new Float32Array(size));
    const rounds = densities.map((density) => {
      const masks = randomMasks(params, density, seed);
      return async () => {
        const sample = await timeRound(program, masks, batches, { signal, scores });
        onRound?.();
        return sample;
      };
    });
    await inTurns(rounds, 1, signal); // memory fresh from the system, threads that start
    const samples = await inTurns(rounds, repeats, signal);
    const batch = batches.reduce((sum, { samples: count }) => sum + count, 0);
    return densities.map((density, i) => ({
      ...setting,
      density,
      batch,
      backend: program.backend,
      samples: samples[i]!,
      denseFlop: 2 * roundMacs(model.plan, setting.method, batch),
      peakBytes: program.memory().peak,
    }));
  } finally {
    program.dispose();
  }
}

/** The caller disposes the program. */
export function compileFor(
  { plan, weights }: BenchModel,
  { method, norm, threads, isa }: RoundSetting,
  on: Backend = cpuBackend(isa),
): Promise<Program> {
  return on.compile(plan, weights, { method, norm, threads });
}

/** One round as a pruning run does it, selection aside. */
export function timeRound(
  program: Program,
  masks: readonly Uint8Array[],
  batches: readonly MicroBatch[],
  control: RoundControl = {},
): Promise<Sample> {
  return measure(async () => {
    program.setMasks(masks);
    await scoreRound(program, batches, control);
  });
}
