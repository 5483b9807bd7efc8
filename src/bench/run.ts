import type { RoundResult } from '../backend/backend.js';
import { PxError } from '../errors.js';
import { fullMask } from '../prune/masks.js';
import { type MicroBatch, scoreRound } from '../prune/round.js';
import { keepSchedule } from '../prune/schedule.js';
import { selectTopKAsync } from '../prune/select.js';
import { HighWater } from './memory.js';
import { type BenchModel, compileFor, type On, type RoundSetting } from './rounds.js';
import { measure, type Sample } from './sampling.js';

export interface RunOptions extends RoundSetting, On {
  readonly rounds: number;
  /** Share of the weights kept after the last round. */
  readonly density: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRound?: (() => void) | undefined;
}

/** A whole pruning run in memory: what users wait for. */
export interface RunTiming extends RoundSetting {
  readonly rounds: number;
  readonly density: number;
  readonly batch: number;
  readonly backend: string;
  /** Per round: scoring, then selecting. */
  readonly scoring: readonly Sample[];
  readonly selecting: readonly Sample[];
  /** The most bytes the program held beside weights and input. */
  readonly peakBytes: number;
  /** Resident set of the process: before, and the most during the run, in bytes. */
  readonly residentBefore: number;
  readonly residentPeak: number;
}

/**
 * Prunes from all weights to `density`, measuring every round. Masks are those that the scores lead to, so a round's work is what it is
 * in earnest: early layers stay denser than the average.
 *
 * @throws PxError ERR_NETWORK_CUT where no path is left, ERR_ABORTED, and what the backend throws
 */
export async function timeRun(
  model: BenchModel,
  batches: readonly MicroBatch[],
  options: RunOptions,
): Promise<RunTiming> {
  const { rounds, density, signal, onRound, on, ...setting } = options;
  const { params } = model.plan;
  const { threads } = setting;
  const takesPart = params.map(({ gateOnly }) => !gateOnly);
  const countable = params.reduce((sum, { size, gateOnly }) => sum + (gateOnly ? 0 : size), 0);
  const water = new HighWater();
  const program = await compileFor(model, setting, on);
  try {
    let masks = params.map(({ size }) => fullMask(size));
    let result: RoundResult | undefined;
    const scoring: Sample[] = [];
    const selecting: Sample[] = [];
    for (const keep of keepSchedule(countable, density, rounds)) {
      const spare = result?.scores;
      scoring.push(
        await measure(async () => {
          program.setMasks(masks);
          result = await scoreRound(program, batches, { signal, scores: spare });
        }),
      );
      const { scores, log2 } = result!;
      if (log2.R === Number.NEGATIVE_INFINITY) throw cut(scoring.length, rounds);
      selecting.push(
        await measure(async () => {
          masks = await selectTopKAsync(scores, masks, keep, { takesPart, threads, signal });
        }),
      );
      onRound?.();
    }
    return {
      ...setting,
      rounds,
      density,
      batch: batches.reduce((sum, { samples }) => sum + samples, 0),
      backend: program.backend,
      scoring,
      selecting,
      peakBytes: program.memory().peak,
      residentBefore: water.before,
      residentPeak: water.bytes,
    };
  } finally {
    program.dispose();
  }
}

function cut(round: number, rounds: number): PxError {
  const message = `R is 0 in round ${round} of ${rounds}: the network is cut, and rounds on it are not worth measuring`;
  return new PxError('ERR_NETWORK_CUT', `${message}; measure a higher density, or give real data`);
}
